"""People and a room for the tests of features."""

from tests.browser.conftest import bot, browser, cable, one_cable, person, site, start_site, static_files
from tests.support.profile import profile as chosen

# Fixtures of the browser tests.
__all__ = ["bot", "browser", "cable", "one_cable", "person", "site", "start_site", "static_files"]


# The embedded profile has no second process.
collect_ignore = [] if chosen.redis else ["test_across.py"]
