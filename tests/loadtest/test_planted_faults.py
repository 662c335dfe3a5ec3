"""Whole runs against a server with one broken promise, which they name."""

import pytest

from tests.loadtest.runs import LoadRun

# Short timeouts: events that this server does not send at once, it never sends.
pytestmark = [pytest.mark.integration, pytest.mark.load(SETTLE="3s", PATIENCE="8s")]


@pytest.mark.load(fault="none", RECONNECTS="0.2")
def test_server_without_a_fault_passes(run: LoadRun) -> None:
    assert run.code == 0, run.output
    assert "PASSED: all" in run.output
    assert run.summary["counts"]["drops"] > 0
    assert run.summary["counts"]["messages held against the log"] == run.summary["acknowledged"]
    assert run.summary["figures"]["reconnect → resynchronised"]["count"] > 0
    assert run.summary["counts"]["delivered by resume"] > 0
    assert "delivered by resume or after a gap, and so in no delivery latency: " in run.output


@pytest.mark.parametrize(
    ("fault", "kind", "expected"),
    [
        pytest.param(fault, kind, expected, marks=pytest.mark.load(fault=fault))
        for fault, kind, expected in (
            ("lose", "lost", "seq 7 "),
            ("lose-own", "lost", "seq 7 "),
            ("deaf", "lost", "it is in the log but was never pushed"),
            ("duplicate", "duplicate", "seq 7 "),
            ("swap", "out of order", "seq 7 "),
            ("store-twice", "duplicate", "is stored at 7 too"),
            ("other-seq", "contradiction", "acknowledged as"),
            ("deny", "contradiction", "acknowledged as"),
            ("alter", "altered", "seq 7 "),
            ("misattribute", "altered", "not what its author wrote"),
        )
    ],
)
def test_broken_promise_is_found_and_named(fault: str, kind: str, expected: str, run: LoadRun) -> None:
    assert run.code == 1, run.output
    assert f"MISSED  {kind}: none" in run.output
    assert any(example.startswith(f"{kind}: ") and expected in example for example in run.summary["examples"])
    assert run.summary["faults"][kind] > 0
    if fault != "deny":  # an acknowledged and lost event also leaves a gap for its author
        assert [name for name, count in run.summary["faults"].items() if count] == [kind]


@pytest.mark.parametrize(
    "where",
    [
        pytest.param(where, marks=pytest.mark.load(fault=fault, HISTORY=history, **several), id=f"{fault} {several}")
        for fault, where, history, several in (
            ("forget", "the page of history before", "0.4", {}),
            ("empty-history", "the page of history before", "0.4", {}),
            ("forget-log", "the log", "0", {}),
            ("forget-log", "the log", "0", {"PROCESSES": "2"}),
        )
    ],
)
def test_acknowledged_message_missing_from_the_log_is_lost(where: str, run: LoadRun) -> None:
    assert run.code == 1, run.output
    assert [name for name, count in run.summary["faults"].items() if count] == ["lost"]
    assert any(f"was told, and is not in {where}" in example for example in run.summary["examples"])


@pytest.mark.load(fault="leak", ROOMS="2")
def test_event_of_an_unjoined_room_is_astray(run: LoadRun) -> None:
    assert run.code == 1, run.output
    assert "MISSED  astray: none" in run.output
    assert [name for name, count in run.summary["faults"].items() if count] == ["astray"]
    assert any("was pushed to a user who joined load-" in example for example in run.summary["examples"])


@pytest.mark.load(fault="skip-on-resume", RECONNECTS="0.4")
def test_event_missing_on_resume_is_lost(run: LoadRun) -> None:
    assert run.code == 1, run.output
    assert run.summary["faults"]["lost"] > 0
    assert run.summary["faults"]["duplicate"] == run.summary["faults"]["out of order"] == 0


@pytest.mark.load(fault="restart", PATIENCE="30s")
def test_restarts_of_the_server_lose_nothing_and_are_no_failure(run: LoadRun) -> None:
    assert run.code == 0, run.output
    assert run.summary["connections_ended"]["server 1012"] > 0
    assert run.summary["counts"]["retries"] > 0


@pytest.mark.load(fault="shy", RECONNECTS="0.4", PATIENCE="30s")
def test_connection_closed_before_hello_is_no_return(run: LoadRun) -> None:
    assert run.code == 0, run.output
    assert run.summary["connections_ended"]["server 1012"] > 0
    assert run.summary["figures"]["reconnect → resynchronised"]["max"] >= 1500


@pytest.mark.load(fault="restart", SHAPE="flood", FLOODERS="0.3", PROFILES="person", PATIENCE="30s", TIME="9s")
def test_unsent_messages_of_a_flooder_are_counted(run: LoadRun) -> None:
    assert run.code == 0, run.output
    assert run.summary["counts"]["flood messages"] > 0
    assert run.summary["counts"]["flood messages not sent"] > 0


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param(expected, marks=pytest.mark.load(fault=fault), id=fault)
        for fault, expected in (
            ("crash", "connection ended: server 4000"),
            ("silence", "not acknowledged (no answer within"),
            ("no-join", "no_such_room"),
            ("unauthorized", "does not accept these credentials"),
        )
    ],
)
def test_a_server_that_does_not_serve_fails_the_run(expected: str, run: LoadRun) -> None:
    assert run.code == 1, run.output
    assert expected in run.output
    assert "FAILED: " in run.output


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param(expected, marks=pytest.mark.load(fault=fault, HISTORY="0.3", **several), id=f"{fault} {several}")
        for fault, expected, several in (
            ("bad-page", "KeyError: 'messages' (chat_user.py", {}),
            ("bad-sent", "KeyError: 'seq' (chat_user.py", {}),
            ("garbage", "JSONDecodeError: ", {}),  # in a background greenlet
            ("bad-sent", "KeyError: 'seq' (chat_user.py", {"PROCESSES": "2"}),
        )
    ],
)
def test_an_exception_in_a_user_fails_the_run_and_is_shown(expected: str, run: LoadRun) -> None:
    assert run.code == 1, run.output
    assert "MISSED  exceptions: none" in run.output
    assert any(error["what"].startswith(expected) for error in run.summary["exceptions"])
    assert f": {expected}" in run.output


@pytest.mark.load(fault="slow", GATES="taken")
def test_waiting_messages_count_against_a_slow_server(run: LoadRun) -> None:
    """The server takes 0.1 s for each message, so the queue makes the latency.

    Most of the due messages have no acknowledgement when the run is over.
    """
    assert run.code == 1, run.output
    assert "FAILED: 1 of" in run.output
    assert "MISSED  messages acknowledged before the end: at least 95% of those due" in run.output
    offered = run.summary["offered"]
    assert run.summary["counts"]["messages"] < offered["messages"], "messages of absent senders are due, too"
    assert 0 < offered["achieved"] < 0.95 * offered["messages"]
    figures = run.summary["figures"]
    assert figures["send → own acknowledgement"]["p50"] > 500
    assert figures["send → delivery to others"]["p50"] > 500


@pytest.mark.load(fault="stall", TIME="6s")
def test_a_stall_shows_in_the_high_percentiles_only(run: LoadRun) -> None:
    assert run.code == 0, run.output
    delivered = run.summary["figures"]["send → delivery to others"]
    assert delivered["max"] > 1900
    assert delivered["p95"] > 1000
    assert delivered["p50"] < 1000
