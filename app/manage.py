#!/usr/bin/env python
"""Django's command line for Hubbub."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run a command.

    Wrong settings, a place that cannot be written to and an absent database get one line, no traceback.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"error: {error}")
    except OperationalError as error:
        sys.exit(f"error: the database does not answer: {' '.join(str(error).split())}; {_place_of_database()}")
    except OSError as error:
        named = _setting_of(str(error.filename or ""))
        if not named:
            raise
        sys.exit(f"error: {named}: {error.filename}: {error.strerror}")


def _place_of_database() -> str:
    from django.conf import settings

    return "DATABASE_URL or DATA_DIR says where it is" if settings.EMBEDDED else "DATABASE_URL says where it is"


def _setting_of(file: str) -> str | None:
    """Return the setting that names the directory of a file, the innermost one."""
    from django.conf import settings

    holding = {len(path.parts): name for name, path in settings.PLACES.items() if Path(file).is_relative_to(path)}
    return holding[max(holding)] if holding else None


if __name__ == "__main__":
    main()
