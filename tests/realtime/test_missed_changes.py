"""A process that did not read the journal for longer than its rows are kept."""

import asyncio
from typing import Any

import pytest
from django.conf import settings

from changes.journal import KEPT
from realtime import journal, ports
from realtime.dialects.native import NativeDialect
from realtime.events import News, Person
from realtime.hub import Hub
from realtime.local_users import LocalUser
from realtime.send_queue import AsgiSendQueue
from realtime.socket import Socket

pytestmark = pytest.mark.once


@pytest.mark.parametrize(("away_s", "codes"), [(journal.AWAY_S - 60, []), (journal.AWAY_S + 60, [1012])])
async def test_process_away_for_a_day_has_clients_reconnect(
    monkeypatch: pytest.MonkeyPatch, away_s: float, codes: list[int]
) -> None:
    async def read(*_: Any) -> News:
        return News([], [], [])

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def nothing() -> None:
        """Read no switches."""

    monkeypatch.setattr(settings, "REDIS_SHARDS", [])
    monkeypatch.setattr(ports.domains(), "journal", read)
    hub, sent = Hub(), list[dict[str, Any]]()
    monkeypatch.setattr(hub.switches, "read", nothing)
    socket = Socket(hub, Person(1, "ada"), "", AsgiSendQueue(send))
    socket.dialect = NativeDialect(socket, "")
    local = hub.registry.people[1] = LocalUser(socket.user)
    local.sockets.add(socket)
    hub.journal._read_at -= away_s
    await hub.journal.read()
    await hub.journal.read()
    if socket.closing is not None:
        await asyncio.wait_for(asyncio.shield(socket.closing), 5)
    assert [message["code"] for message in sent if message["type"] == "websocket.close"] == codes


def test_rows_are_kept_longer_than_a_process_may_be_away() -> None:
    assert KEPT.total_seconds() > journal.AWAY_S + 600
