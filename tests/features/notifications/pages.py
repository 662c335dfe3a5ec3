"""What the tests of the page share: people whose pages say what they raise."""

from collections.abc import Callable

from playwright.sync_api import Page

from tests.browser.person import Person

Watched = Callable[..., Person]


def ready(somebody: Person, page: Page | None = None) -> None:
    """Wait until a page knows how the person wants to be told."""
    loaded = "({name, responseEnd}) => name.endsWith('/api/notifications') && responseEnd"
    asked = f"performance.getEntriesByType('resource').some({loaded})"
    somebody.waits_for(lambda: bool((page or somebody.page).evaluate(asked)))
