"""Settings of a run, as from a command line."""

import argparse

from loadtest import options
from loadtest.options import Settings


def settings(**changes: str) -> Settings:
    """Return the settings of a command line with these options; 100 users by default."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="http://127.0.0.1:1")
    parser.add_argument("--num-users", type=int, default=100)
    options.add_arguments(parser)
    arguments = [part for name, value in changes.items() for part in (f"--{name.replace('_', '-')}", value)]
    return options.settings(parser.parse_args(arguments))
