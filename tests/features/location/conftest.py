"""The embedded profile has no second process. A browser for the tests of the page."""

from tests.browser.conftest import bot, browser, one_cable, person, site, static_files
from tests.support.profile import profile as chosen

__all__ = ["bot", "browser", "one_cable", "person", "site", "static_files"]

collect_ignore = [] if chosen.redis else ["test_across.py"]
