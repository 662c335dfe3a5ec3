"""Programs started by tests get signals that the tests ignore.

For example in `nohup make test &`.
"""

import signal
import subprocess
import sys

import pytest

from tests.support.server import ROOT, base_environment

pytestmark = pytest.mark.once

PROGRAM = """
import os, signal, subprocess, sys
number = signal.Signals[sys.argv[1]]
signal.signal(number, signal.SIG_IGN)
from tests.support.ignored_signals import hear_ignored_signals
hear_ignored_signals()
if number == signal.SIGHUP:
    os.kill(os.getpid(), number)
script = f'trap "echo heard" {sys.argv[1][3:]}; kill -s {sys.argv[1][3:]} $$; sleep 0'
sys.stdout.write(subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout)
"""


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_child_hears_a_signal_its_tests_ignore(number: signal.Signals) -> None:
    command = [sys.executable, "-c", PROGRAM, number.name]
    env = base_environment() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr
