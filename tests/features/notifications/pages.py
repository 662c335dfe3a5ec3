"""Helpers of the page's tests: people whose pages record their notifications."""

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.person import Person

Watched = Callable[..., Person]


def ready(person: Person, page: Page | None = None) -> None:
    """Wait until a page knows how the person wants to be told."""
    loaded = "({name, responseEnd}) => name.endsWith('/api/notifications') && responseEnd"
    asked = f"performance.getEntriesByType('resource').some({loaded})"
    person.waits_for(lambda: bool((page or person.page).evaluate(asked)))


def open_settings(person: Person) -> Locator:
    person.page.get_by_role("button", name="Account of").click()
    person.page.get_by_role("menuitem", name="Notifications…").click()
    dialog = person.page.get_by_role("dialog", name="Notifications")
    expect(dialog.get_by_role("heading", name="Quiet hours")).to_be_visible()
    return dialog
