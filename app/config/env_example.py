"""Write .env.example from the table of variables.

Usage: `PYTHONPATH=app python -m config.env_example > .env.example`.
"""

from __future__ import annotations

import sys

from config.variables import VARIABLES

HEAD = """\
# Every variable of Hubbub, with its default and its purpose. Take the # off a line to set it.
# `make up` makes .env with fresh secrets on its first run; `make run` reads the environment only, never .env.
# With compose, secrets reach the containers as files: `make up` and `scripts/roll` write them from here to var/secrets.
# Outside compose any secret may also be given as NAME_FILE: the path of a file that holds it.
"""
TITLES = {
    "app": "What the app reads",
    "script": "What the start-up and load scripts read",
    "compose": "What compose.yaml and the images beside the app read",
}


def render() -> str:
    lines = [HEAD]
    for scope, title in TITLES.items():
        lines.append(f"# --- {title}\n")
        lines += [f"# {v.help}.\n#{v.name}={v.default or ''}\n" for v in VARIABLES if v.scope == scope]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(render())
