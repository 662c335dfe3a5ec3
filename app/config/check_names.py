"""`python -m config.check_names <.env`: warns about a misspelt name in an env file, refuses a renamed one with exit 3."""

from __future__ import annotations

import sys
import warnings

from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment

REFUSED = 3


def main(lines: list[str]) -> int:
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.lstrip().startswith("#"))
    values = {name.removeprefix("export ").strip(): value.strip() for name, value in pairs}
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        try:
            Environment(values)
        except ImproperlyConfigured as error:
            sys.stderr.write(f"{error}\n")
            return REFUSED
    for warning in found:
        sys.stderr.write(f"Warning: {warning.message}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.stdin.readlines()))
