"""Check the variables that compose read from .env.

Usage: `docker compose config --format json | python -m config.check_env`.

Warns about a misspelt name. Exits with 3 for a renamed or removed one and for an unusable value.
"""

from __future__ import annotations

import json
import sys
import warnings

from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment

REFUSED = 3


def main(config: str) -> int:
    """Check the environment of the one service in `config`."""
    (service,) = json.loads(config)["services"].values()
    # compose doubles each $, so that its output is a compose file again.
    values = {name: (value or "").replace("$$", "$") for name, value in (service.get("environment") or {}).items()}
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        try:
            Environment(values).check()
        except ImproperlyConfigured as error:
            sys.stderr.write(f"{error}\n")
            return REFUSED
    for warning in found:
        sys.stderr.write(f"Warning: {warning.message}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.stdin.read()))
