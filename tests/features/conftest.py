"""People and a room for the tests of features."""

from collections.abc import Iterator

import pytest

from tests.browser.conftest import bot, browser, cable, one_cable, person, site, start_site, static_files
from tests.support.profile import profile as chosen
from tests.support.server import Server

# Fixtures of the browser tests.
__all__ = ["bot", "browser", "cable", "one_cable", "person", "site", "start_site", "static_files"]


# The embedded profile has no second process.
collect_ignore = [] if chosen.redis else ["test_across.py"]


@pytest.fixture(scope="session", autouse=True)
def nothing_failed_inside(server: Server) -> Iterator[None]:
    """Check that no client's action left an error of ours in the shared server's log."""
    yield
    found = [line for line in server.log.splitlines() if "Traceback" in line or "[error" in line]
    assert not found, server.log[-20_000:]
