"""Each documented form of REDIS_URL on a real Redis."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured

from core.redis_urls import blocking_client_for, client_for, shards_from_urls
from realtime.layer.redis_layer import RedisLayer
from tests.conftest import StartServer
from tests.realtime.layer.test_faults import Ear, say, until
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.redis_forms import FORMS, Form
from tests.support.redis_forms import until as until_sync
from tests.support.server import Server

SECRET = "s3cr3t"


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Iterator[Form]:
    with ExitStack() as exits:
        yield FORMS[request.param](exits)


async def test_form_serves_layer_presence_and_throttle(form: Form) -> None:
    shards = shards_from_urls(form.url.split(","))
    layer = RedisLayer(hosts=shards, prefix="hubbub:test:")
    try:
        ear = Ear(layer)
        await until(lambda: ear.layer.healthy)
        groups = [f"room.{number}" for number in range(12)]
        await ear.join(*groups)
        for number, group in enumerate(groups):
            say(layer, number, group=group)
        await until(lambda: sorted(ear.heard) == list(range(12)))
    finally:
        await layer.flush()
    for shard in shards:
        client = client_for(shard)
        assert await client.execute_command("SADD", "hubbub:test:presence", "ada") == 1
        await client.aclose()
    with blocking_client_for(shards[0]) as blocking:
        assert blocking.incr("hubbub:test:throttle") == 1
    with form.first.client() as inside:
        inside.select(form.database)
        assert {b"hubbub:test:presence", b"hubbub:test:throttle"} <= set(inside.keys())


async def test_form_lets_people_join_a_server(form: Form, start_server: StartServer) -> None:
    server = start_server(REDIS_URL=form.url)
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as chat:
        await chat.join(room)
        assert (await chat.send(room, "hi"))["seq"] == 1
    until_sync(lambda: degraded(server) == [], within=5, what="the layer is not healthy")
    until_sync(lambda: "hubbub_layer_degraded 0.0" in read(server, "/metrics").text, within=5, what="the gauge is up")
    # A busy machine may answer late: kind=away.
    assert [line for line in server.log.splitlines() if "Redis refuses" in line and "kind=away" not in line] == []


def read(server: Server, path: str) -> httpx.Response:
    return httpx.get(server.base_url + path, timeout=5)


def degraded(server: Server) -> Any:
    return read(server, "/readyz").json()["degraded"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"http://:{SECRET}@host", "use redis://"),
        (f"redis:/:{SECRET}@host", "is no address"),
        (f"redis://:{SECRET}/x@host:6379/0", "%2F"),
        (f"redis://:{SECRET}#x@host:6379/0", "%23"),
        (f"redis://:{SECRET} x@host:6379/0", "holds a space"),
        (f"redis://:{SECRET}%x@host:6379/0", "%"),
        (f"'redis://:{SECRET}@host:6379/0'", "is in quotes"),
        (f"redis://:{SECRET}@%2Frun%2Fredis/0", "redis://[user:password@]host"),
        (f"redis://:{SECRET}@host/0?db=1&db=2", "each name once"),
        (f"redis://:{SECRET}@host:99999", "1 to 65535"),
        (f"redis://:{SECRET}@host/zero", "a whole number as database"),
        (f"redis://:{SECRET}@host/0?password={SECRET}", "use db there, and nothing else"),
        (f"redis://:{SECRET}@host?db=x", "db= that is no whole number"),
        (f"rediss://:{SECRET}@host?ssl_ca=/x", "ssl_ca_certs"),
        (f"unix://{SECRET}/redis.sock", "an absolute path"),
        (f"unix://:{SECRET}@", "an absolute path"),
        (f"sentinel://:{SECRET}@host", "sentinel://[user:password@]host[:port]/master"),
        (f"sentinel://:{SECRET}@host/chat/x", "sentinel://[user:password@]host[:port]/master"),
        (f"redis://host,redis://:{SECRET}@host/x", "REDIS_URL (address 2 of 2)"),
        (f"sentinel://:{SECRET}@a/chat,sentinel://:other@b/chat", "the same user, password and database"),
    ],
)
def test_wrong_form_is_refused_by_name_without_its_password(url: str, said: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        shards_from_urls(url.split(","))
    text = str(refused.value)
    assert text.startswith("REDIS_URL")
    assert said in text
    assert SECRET not in text
