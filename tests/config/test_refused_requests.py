"""A network's refusals wait, and its errors outside an account's rate.

Those of other networks and all other answers do not.
"""

import asyncio

import pytest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory
from pytest_django.fixtures import Settings

from config.refused_requests import slow

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def one_call_each_second(settings: Settings) -> None:
    settings.LIMIT_CALLS_PER_S = 2  # a call over HTTP counts twice


def ask(status: int, address: str = "203.0.113.9", *, paced: bool = False) -> asyncio.Task[HttpResponseBase]:
    async def answer(request: HttpRequest) -> HttpResponse:
        if paced:
            request.paced = True  # type: ignore[attr-defined]
        return HttpResponse(status=status)

    request = RequestFactory().get("/api/me", REMOTE_ADDR=address)

    async def asked() -> HttpResponseBase:
        return await slow(answer)(request)

    return asyncio.create_task(asked())


async def waiting(calls: list[asyncio.Task[HttpResponseBase]]) -> int:
    """Return how many still wait when all that do not wait are done."""
    for _ in range(10):
        await asyncio.sleep(0)
    return sum(not call.done() for call in calls)


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_refusals_of_a_network_wait_beyond_its_credit(status: int) -> None:
    calls = [ask(status) for _ in range(5)]
    assert await waiting(calls) == 3
    assert await waiting([ask(status, "203.0.113.8"), ask(status, "2001:db8::1"), ask(200)]) == 0
    # The longest wait is a second, however many there were.
    assert {(await call).status_code for call in calls} == {status}
    await asyncio.wait_for(ask(status), 3)


async def test_addresses_of_one_network_share_its_credit() -> None:
    calls = [ask(401, f"2001:db8::{number}") for number in range(5)]
    assert await waiting(calls) == 3
    await asyncio.gather(*calls)


@pytest.mark.parametrize("status", [400, 404, 405, 422])
async def test_errors_outside_the_rate_of_calls_wait_like_refusals(status: int) -> None:
    """A guessed token in an address is answered 404, a made-up code 400."""
    calls = [ask(status) for _ in range(5)]
    assert await waiting(calls) == 3
    assert await waiting([ask(status, paced=True) for _ in range(50)]) == 0
    await asyncio.gather(*calls)


@pytest.mark.parametrize("status", [200, 302, 503])
async def test_other_answers_never_wait(status: int) -> None:
    assert await waiting([ask(status) for _ in range(50)]) == 0


async def test_wait_is_lifted_with_the_rate_of_calls(settings: Settings) -> None:
    settings.LIMIT_CALLS_PER_S = 0
    assert await waiting([ask(429) for _ in range(50)]) == 0
