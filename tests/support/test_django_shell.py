"""A server's shell: one process for all lines, clear errors, no leftovers."""

import os

import pytest

from tests.conftest import StartServer

pytestmark = pytest.mark.once


def test_shell_runs_all_lines_in_one_process(start_server: StartServer) -> None:
    server = start_server()
    pid = int(server.shell("import os; print(os.getpid())"))
    assert int(server.shell("import os; print(os.getpid())")) == pid
    assert pid not in {os.getpid(), *server.process.members()}
    server.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_failing_lines_raise_their_error(start_server: StartServer) -> None:
    server = start_server()
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        server.shell("left = 1; 1 / 0")
    with pytest.raises(RuntimeError, match="NameError"):
        server.shell("print(left)")
    assert server.shell("from accounts.models import User; print(User.objects.count())") == "0\n"


def test_lines_under_a_wrong_setting_raise_its_name(start_server: StartServer) -> None:
    server = start_server()
    server.env["LOG_LEVEL"] = "loud"
    with pytest.raises(RuntimeError, match="LOG_LEVEL"):
        server.shell("from accounts.models import User")
