#!/usr/bin/env bash
# Start the web server: app/server/start.py works out how many workers this machine can carry, then becomes Gunicorn.
set -euo pipefail

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python
if [ ! -x "$python" ]; then python=python3; fi
export PYTHONPATH="$root/app${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" -m server.start "$@"
