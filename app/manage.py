#!/usr/bin/env python
"""Django's command line for Hubbub."""

import os
import sys


def main() -> None:
    """Run a command. Wrong settings and an absent database get one line, no traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"error: {error}")
    except OperationalError as error:
        sys.exit(f"error: the database does not answer: {' '.join(str(error).split())}")


if __name__ == "__main__":
    main()
