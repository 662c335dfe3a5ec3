"""The state machine catches each mistake planted into the product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

import chat.group_commit
import chat.history
import chat.store_orm
import chat.store_postgres
import realtime.consumer
import realtime.socket
from chat.batch import PendingEvent, Stored
from chat.results import results
from core.errors import Close
from realtime.events import LogEvent
from realtime.handover import Handover
from realtime.hub import Hub
from realtime.live_room import LiveRoom
from realtime.repair import Repair
from realtime.send_queue import AsgiSendQueue
from realtime.socket import Socket
from server.websocket.socket_protocol import SocketProtocol
from tests.realtime.property.machine import machine_for
from tests.realtime.property.world import Place

#: No shrinking: the shortest way to a planted mistake does not matter.
SETTINGS = settings(
    max_examples=300,
    stateful_step_count=30,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
Patch = pytest.MonkeyPatch


def order_without_checking_for_gaps(patch: Patch) -> None:
    def sequence(room: LiveRoom, events: list[LogEvent]) -> list[LogEvent]:
        later = [event for event in events if event.seq > room.last_seq]
        if later:
            room.last_seq = max(event.seq for event in later)
        return later

    patch.setattr(LiveRoom, "sequence", sequence)


def doubles_are_delivered(patch: Patch) -> None:
    def sequence(room: LiveRoom, events: list[LogEvent]) -> list[LogEvent]:
        room.last_seq = max([room.last_seq, *(event.seq for event in events)])
        return sorted(events)

    patch.setattr(LiveRoom, "sequence", sequence)


def gaps_are_not_repaired(patch: Patch) -> None:
    patch.setattr(Repair, "note_gap", lambda _repair, room: room.pending.clear())
    patch.setattr(Repair, "poll_heads", _nothing)


def heads_are_not_polled(patch: Patch) -> None:
    patch.setattr(Repair, "poll_heads", _nothing)


def repair_reads_one_too_few(patch: Patch) -> None:
    async def events(spans: dict[int, tuple[int, int]]) -> dict[int, list[LogEvent]]:
        found = await whole(spans)
        return {room: [event for event in some if event.seq % 3] for room, some in found.items()}

    whole = chat.history.events
    patch.setattr(chat.history, "events", events)


def a_join_forgets_what_came_meanwhile(patch: Patch) -> None:
    patch.setattr(LiveRoom, "deliver", _without_holds(LiveRoom.deliver))


def a_join_sends_what_the_page_had(patch: Patch) -> None:
    def attach(hub: Hub, socket: Socket, room: LiveRoom, head: int) -> None:
        whole(hub, socket, room, 0)

    whole = Hub.attach
    patch.setattr(Hub, "attach", attach)


def an_overflowing_join_says_nothing(patch: Patch) -> None:
    patch.setattr(realtime.socket, "gap", lambda _ref, _head: '{"type":"nothing"}')


def giving_up_says_nothing(patch: Patch) -> None:
    patch.setattr(Repair, "_send_back", lambda _repair, _room, _head, _why: None)


def a_page_skips_one(patch: Patch) -> None:
    whole = chat.history.resume_page
    patch.setattr(chat.history, "resume_page", lambda room, after, head, most: whole(room, after + 1, head, most))


def a_page_says_too_early_that_it_is_the_last(patch: Patch) -> None:
    whole = chat.history.resume_page
    patch.setattr(chat.history, "resume_page", lambda room, after, head, most: (whole(room, after, head, most)[0], False))


def keys_are_not_looked_up(patch: Patch) -> None:
    patch.setattr(chat.store_orm, "_known", lambda _batch: {})
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_get_functiondef('chat_append'::regproc)")
            (whole,) = cursor.fetchone()
            blind = whole.replace("chat_append", "chat_append_blind").replace("e.key = name", "e.key = name AND false")
            assert blind.count("AND false") == 1
            cursor.execute(blind)
        patch.setattr(chat.store_postgres, "APPEND", chat.store_postgres.APPEND.replace("chat_append", "chat_append_blind"))


def a_known_key_answers_with_the_next_seq(patch: Patch) -> None:
    def wrong(*asked: Any) -> Any:
        return [
            replace(result, seq=result.seq + 1) if isinstance(result, Stored) and result.duplicate else result
            for result in results(*asked)
        ]

    for store in (chat.store_orm, chat.store_postgres):
        patch.setattr(store, "results", wrong)


def a_reply_has_a_wrong_seq(patch: Patch) -> None:
    def early(*asked: Any) -> Any:
        found = results(*asked)
        for result in found:
            if isinstance(result, Stored) and result.seq % 3 == 0:
                result.seq += 1
        return found

    for store in (chat.store_orm, chat.store_postgres):
        patch.setattr(store, "results", early)


def a_timeout_is_an_acknowledgement(patch: Patch) -> None:
    def resolve(append: PendingEvent, result: Any) -> None:
        if isinstance(result, Stored):
            whole(append, result)
        else:
            whole(append, Stored(append.room, 1, None, True, LogEvent(1, "{}", append.author, append.key)))  # type: ignore[arg-type]

    whole = chat.group_commit._resolve
    patch.setattr(chat.group_commit, "_resolve", resolve)


def too_slow_is_ignored(patch: Patch) -> None:
    """Plant: bytes above the limit are dropped, and the socket stays."""
    patch.setattr(
        AsgiSendQueue, "push", _without_what_does_not_fit(AsgiSendQueue.push, lambda send_queue: send_queue._size, True)
    )
    write_frames = _without_what_does_not_fit(SocketProtocol.write_frames, SocketProtocol.unsent, 0)
    patch.setattr(SocketProtocol, "write_frames", write_frames)


def an_iteration_leaves_backwards(patch: Patch) -> None:
    """Plant: frames of one loop iteration leave in reverse order."""

    def flush(protocol: SocketProtocol) -> None:
        if isinstance(protocol.collected, list):
            protocol.collected.reverse()
        whole(protocol)

    whole = SocketProtocol.flush
    patch.setattr(SocketProtocol, "flush", flush)


def an_iteration_forgets_what_comes_late(patch: Patch) -> None:
    def flush(protocol: SocketProtocol) -> None:
        if isinstance(protocol.collected, list):
            del protocol.collected[1:]
        whole(protocol)

    whole = SocketProtocol.flush
    patch.setattr(SocketProtocol, "flush", flush)


def a_drain_forgets_half(patch: Patch) -> None:
    async def drain(handover: Handover, *_arguments: Any, **_options: Any) -> None:
        sockets = handover._registry.sockets()
        for socket in sockets[: len(sockets) // 2]:
            socket.close_soon(Close.RESTART, "service restart")

    patch.setattr(Handover, "drain", drain)


def a_drain_takes_handshakes(patch: Patch) -> None:
    patch.setattr(realtime.consumer, "state", SimpleNamespace(draining=False))


async def _nothing(repair: Repair) -> None:
    """Plant: look nowhere."""


def _without_what_does_not_fit(whole: Callable[..., Any], waiting: Callable[[Any], int], fits: Any) -> Callable[..., Any]:
    def push(send_queue: Any, *what: Any) -> Any:
        if waiting(send_queue) < 2_000:
            whole(send_queue, *what)
        return fits

    return push


def _without_holds(whole: Callable[..., Any]) -> Callable[..., Any]:
    def deliver(room: LiveRoom, *what: Any) -> Any:
        holds, room.joining = room.joining, {}
        try:
            return whole(room, *what)
        finally:
            room.joining = holds

    return deliver


#: Other mistakes need rare moments: test_moments.py and test_repairs.py create those.
OF_THE_HUB = [
    order_without_checking_for_gaps, doubles_are_delivered, gaps_are_not_repaired, heads_are_not_polled,
    a_join_sends_what_the_page_had, giving_up_says_nothing, a_timeout_is_an_acknowledgement,
    an_iteration_leaves_backwards, an_iteration_forgets_what_comes_late,
]  # fmt: skip
OF_THE_DATABASE = [
    repair_reads_one_too_few, a_page_skips_one, a_page_says_too_early_that_it_is_the_last, keys_are_not_looked_up,
    a_known_key_answers_with_the_next_seq, a_reply_has_a_wrong_seq,
]  # fmt: skip
MUTATIONS = [*(pytest.param(one, marks=pytest.mark.once) for one in OF_THE_HUB), *OF_THE_DATABASE]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_planted_mistake_is_found(here: Place, mutation: Callable[[Patch], None], monkeypatch: Patch) -> None:
    mutation(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine_for(here), settings=SETTINGS)
