"""Pages of one session wait for each other and leave slots for others."""

import asyncio

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory
from pytest_django.fixtures import Settings

from db import page_gate
from tests.support.refusals import refused

pytestmark = pytest.mark.once


class Site:
    """A site with pages that take until `ready` is set."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.begun: list[str] = []
        self.page = page_gate.in_turn(self._answer)

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        self.begun.append(request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""))
        await self.ready.wait()
        return HttpResponse("here")

    def open(self, session: str, path: str = "/chat/") -> asyncio.Future[HttpResponseBase]:
        request = RequestFactory().get(path)
        if session:
            request.COOKIES[settings.SESSION_COOKIE_NAME] = session
        return asyncio.ensure_future(self.page(request))


async def test_flood_of_pages_leaves_slots_and_is_refused() -> None:
    site, before = Site(), refused("pages")
    flood = [site.open("flooder") for _ in range(page_gate.WAITING + 5)]
    await asyncio.sleep(0)
    others = [site.open("ada"), site.open("bob")]
    await asyncio.sleep(0)
    assert site.begun == ["flooder", "ada", "bob"]
    site.ready.set()
    assert {(await page).status_code for page in others} == {200}
    statuses = [(await page).status_code for page in flood]
    assert (statuses.count(200), statuses.count(429)) == (page_gate.WAITING + 1, 4)
    assert refused("pages") == before + 4


async def test_pages_in_a_row_come_at_a_rate_and_others_at_once(settings: Settings) -> None:
    settings.LIMIT_CALLS_PER_S = 1
    site = Site()
    site.ready.set()
    flood = [site.open("flooder") for _ in range(10)]
    await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
    others = [site.open(name) for name in ("ada", "bob", "eve")]
    assert {(await page).status_code for page in others} == {200}
    # Two within two seconds' credit; the next one would come two seconds later.
    assert site.begun.count("flooder") == 2
    for page in flood:
        page.cancel()


async def test_rate_of_pages_is_lifted_with_that_of_calls(settings: Settings) -> None:
    settings.LIMIT_CALLS_PER_S = 0
    site = Site()
    site.ready.set()
    pages = [site.open("ada") for _ in range(page_gate.WAITING)]
    assert {(await page).status_code for page in pages} == {200}


@pytest.mark.parametrize(("session", "path"), [("", "/"), ("ada", "/api/rooms")])
async def test_anonymous_and_api_calls_bypass_the_page_gate(session: str, path: str) -> None:
    site = Site()
    pages = [site.open(session, path) for _ in range(2 * page_gate.PAGES)]
    await asyncio.sleep(0)
    assert len(site.begun) == len(pages)
    site.ready.set()
    assert {(await page).status_code for page in pages} == {200}
