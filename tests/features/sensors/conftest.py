"""A browser for the tests of the page."""

from tests.browser.conftest import bot, browser, one_cable, person, site, static_files

__all__ = ["bot", "browser", "one_cable", "person", "site", "static_files"]
