"""HTTP requests by route: each label is one of few values for all requests."""

import asyncio

import httpx
from django.urls import URLPattern, URLResolver, get_resolver
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from core import metrics
from tests.support.api import with_token
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.server import Server


async def samples(server: Server, name: str) -> list[Sample]:
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        text = (await http.get("/metrics")).text
    return [one for family in text_string_to_metric_families(text) for one in family.samples if one.name == name]


def routes(resolver: URLResolver, prefix: str = "") -> set[str]:
    found: set[str] = set()
    for one in resolver.url_patterns:
        route = prefix + str(one.pattern)
        found |= {route} if isinstance(one, URLPattern) else routes(one, route)
    return found


async def test_requests_are_counted_by_route_and_status(server: Server) -> None:
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)

    async def number(**labels: str) -> float:
        found = await samples(server, "hubbub_http_requests_seconds_count")
        return sum(one.value for one in found if labels.items() <= one.labels.items())

    route = "api/rooms/<slug>/messages"
    before = await number(route=route), await number(route=route, status="4xx"), await number(method="other")
    async with with_token(server.base_url, ada) as http:
        for _ in range(3):
            assert (await http.get(f"/api/rooms/{room}/messages")).is_success
        assert (await http.get("/api/rooms/no-such-room/messages")).status_code == 404
        await http.request("PROPFIND", f"/api/rooms/{room}/messages")
    assert (await number(route=route), await number(route=route, status="4xx")) >= (before[0] + 4, before[1] + 1)
    assert await number(method="other") == before[2] + 1


async def test_no_path_becomes_a_label(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        for path in ("/made-up/", "/api/made-up", "/chat/made-up/", "/static/made-up.js", "/admin/made-up/", "/%00made-up"):
            await http.get(path)
            await http.request("PROPFIND", path)
    known = routes(get_resolver()) | {"none", "static", "admin", "/"}
    found = await samples(server, "hubbub_http_requests_seconds_count")
    assert found
    for one in found:
        assert one.labels["route"] in known
        assert one.labels["status"] in {"1xx", "2xx", "3xx", "4xx", "5xx"}
        assert one.labels["method"] in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}


async def test_delivery_and_wait_are_measured(server: Server) -> None:
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    names = ("hubbub_commit_wait_seconds_count", "hubbub_delivery_seconds_count", "hubbub_gc_pause_seconds_count")

    async def counts() -> list[float]:
        return [sum(one.value for one in await samples(server, name)) for name in names]

    before = await counts()
    async with ChatClient(server.ws_url(), ada) as chat:
        await chat.join(room)
        for _ in range(5):
            await chat.send(room, "measured")
        after = before
        for _ in range(30):
            after = await counts()
            if after[0] > before[0] and after[1] >= before[1] + 5:
                return
            await asyncio.sleep(0.2)
    raise AssertionError((before, after))


def test_spread_adds_up_like_the_librarys_histogram() -> None:
    one = Histogram("spread_one", "…", buckets=metrics.SHORT, registry=CollectorRegistry())
    two = Histogram("spread_two", "…", buckets=metrics.SHORT, registry=CollectorRegistry())
    spread = metrics.Spread(one)
    for value in (0.0, 0.001, 0.0011, 0.3, 5, 5.1, 700):
        spread.observe(value)
        two.observe(value)
    spread.observe(0.02, 3)
    for _ in range(3):
        two.observe(0.02)
    spread.settle()
    spread.settle()
    first, second = (
        [(sample.labels, round(sample.value, 6)) for sample in next(iter(each.collect())).samples if "created" not in sample.name]
        for each in (one, two)
    )
    assert first == second
