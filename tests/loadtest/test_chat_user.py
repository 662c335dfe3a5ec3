"""A user's actions by its schedule, on time and late."""

import json
import time
from typing import Any

import gevent
import pytest

from loadtest import figures, marker
from loadtest.closing import Closing
from tests.loadtest.users import chat_user


def recorded(user: Any) -> list[tuple[str, str, bool]]:
    """Record the user's calls of Locust: kind, name, and whether it failed."""
    calls: list[tuple[str, str, bool]] = []

    def take(request_type: str, name: str, exception: Any, **_: Any) -> None:
        calls.append((request_type, name, exception is not None))

    user.environment.events.request.add_listener(take)
    return calls


def fail(user: Any, error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        raise error
    user.trial.failed(raised.value, raised.tb)


def test_exceptions_are_counted_and_an_early_one_ends_the_run() -> None:
    early, late = chat_user(), chat_user()
    late.trial.started.set()
    for user in (early, late):
        for _ in range(2):
            fail(user, KeyError("seq"))
        for number in range(100):
            fail(user, ValueError(f"a page\nof {number}" if number % 2 else f"{number}"))
        ((first, times), *others) = user.trial.exceptions.items()
        assert (first.partition(" (test_chat_user.py:")[0], times) == ("KeyError: 'seq'", 2)
        assert sum(times for _, times in others) == 100
        assert len(others) == 20, "many different exceptions are counted together"
    assert early.trial.aborted.startswith("a user failed before the timed run: KeyError: 'seq'")
    assert late.trial.aborted == ""


@pytest.mark.parametrize("code", [4008, 1011, 1006])
def test_only_slow_readers_may_be_closed_as_too_slow(code: int) -> None:
    slow, quick = chat_user(shape="slow-readers", slow="1"), chat_user(shape="slow-readers", slow="0")
    calls = recorded(slow), recorded(quick)
    for user in (slow, quick):
        user.on_closed(Closing("server", code, lasted=9))
    assert calls == ([], [("FAULT", f"connection ended: server {code}", True)])
    assert (slow.trial.counts["slow readers sent away"], quick.trial.counts["slow readers sent away"]) == (1, 0)


def test_latencies_of_slow_readers_have_their_own_entries() -> None:
    slow, quick = chat_user(shape="slow-readers", slow="1"), chat_user(shape="slow-readers", slow="0")
    calls = recorded(slow), recorded(quick)
    for user in (slow, quick):
        user.record(figures.DELIVERED, time.perf_counter() - 5)
    assert calls == ([("WS", f"{figures.DELIVERED} (slow readers)", False)], [("WS", figures.DELIVERED, False)])
    assert (slow.trial.counts["read late"], quick.trial.counts["read late"]) == (1, 0)


def test_messages_due_while_offline_are_sent_on_reconnect() -> None:
    """In order, with the key of the first attempt, and timed from its due time."""
    user = chat_user(profiles="person")
    from loadtest.websocket_user import NotConnected  # noqa: PLC0415 - only now is Locust imported as users.py says

    calls = recorded(user)
    tried: list[str] = []
    say = user.send_json

    def offline(frame: Any) -> None:
        tried.append(frame["key"])
        raise NotConnected("no connection")

    def online(frame: Any) -> None:
        say(frame)
        reply = {"type": "message.sent", "re": frame["id"], "room": user.room, "seq": len(user.sent), "duplicate": False}
        gevent.spawn(user.on_text, json.dumps(reply))

    dues = [time.perf_counter() - 5, time.perf_counter() - 4]
    user.send_json = offline
    saying = gevent.spawn(lambda: [user.say(due) for due in dues])
    while not tried:
        gevent.sleep(0.01)
    user.send_json = online
    user.joined.set()
    saying.get(timeout=30)
    assert [marker.intended(frame["text"]) for frame in user.sent] == pytest.approx(dues, abs=1e-6)
    assert [user.sent[0]["key"]] == tried
    assert user.sent[1]["key"] not in tried
    assert calls == [("WS", figures.ACKNOWLEDGED, False)] * 2
    assert (user.trial.counts["messages offered"], user.trial.counts["messages achieved"]) == (2, 2)


def test_late_burst_is_stamped_with_its_due_times() -> None:
    user = chat_user(shape="flood", flooders="1", profiles="person")
    due = time.perf_counter() - 5
    user.flood(due)
    moments = [marker.intended(frame["text"]) - due for frame in user.sent]
    assert len(moments) == user.profile.burst
    assert moments[0] == pytest.approx(0, abs=1e-6)
    assert moments[-1] == pytest.approx(0.9, abs=1e-6)
    assert len({round(moment, 3) for moment in moments}) == 10, "ten parts, each with its own time"


def test_unsent_part_of_a_burst_counts_up_to_the_end() -> None:
    user = chat_user(shape="flood", flooders="1", profiles="person")
    user.trial.obey({"do": "stop"})
    user.flood(user.trial.ended - 0.45)
    assert user.sent == []
    assert user.trial.counts["flood messages not sent"] == 50


def test_missed_turns_are_offered_and_not_achieved() -> None:
    user = chat_user(profiles="person", think="0.5", reconnects="0", history="0")
    user.begin_turns()
    user.trial.ended = time.perf_counter() + 10
    user.count_overdue()
    assert user.trial.counts["messages offered"] in {20, 21}
    assert user.trial.counts["messages achieved"] == 0


def test_missed_bursts_are_counted() -> None:
    user = chat_user(shape="flood", flooders="1", profiles="person")
    user.begin_turns()
    user.trial.ended = time.perf_counter() + 10
    user.count_overdue()
    assert 800 <= user.trial.counts["flood messages not sent"] <= 1200
