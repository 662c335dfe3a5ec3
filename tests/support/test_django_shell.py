"""A server's shell: one process for all lines, clear errors, no leftovers."""

import os
from collections.abc import Iterator

import pytest

from tests.conftest import StartServer
from tests.support.profile import Profile
from tests.support.server import Server

pytestmark = pytest.mark.once


@pytest.fixture
def unstarted(profile: Profile) -> Iterator[Server]:
    """A server's data and settings: a shell needs no more."""
    server = Server(profile)
    yield server
    server.close()


def test_shell_runs_all_lines_in_one_process(start_server: StartServer) -> None:
    server = start_server()
    pid = int(server.shell("import os; print(os.getpid())"))
    assert int(server.shell("import os; print(os.getpid())")) == pid
    assert pid not in {os.getpid(), *server.process.members()}
    server.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_failing_lines_raise_their_error(unstarted: Server) -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        unstarted.shell("left = 1; 1 / 0")
    with pytest.raises(RuntimeError, match="NameError"):
        unstarted.shell("print(left)")
    assert unstarted.shell("from accounts.models import User; print(User.objects.count())") == "0\n"


def test_lines_under_a_wrong_setting_raise_its_name(unstarted: Server) -> None:
    unstarted.env["LOG_LEVEL"] = "loud"
    with pytest.raises(RuntimeError, match="LOG_LEVEL"):
        unstarted.shell("from accounts.models import User")
