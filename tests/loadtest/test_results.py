"""Results of several generators: sums, the busiest, contradictions."""

from typing import Any

from loadtest.generator import Generator
from loadtest.ledger import Register
from loadtest.results import Results
from loadtest.timeline import Timeline

IDLE: dict[str, Any] = {
    "cpu_percent": 10.0, "cpu_percent_worst": 12.0, "lag_ms": {"p50": 1.0, "p99": 2.0, "max": 3.0, "worst_p99": 3.0},
}  # fmt: skip


def results_of(register: Register, **changes: Any) -> dict[str, Any]:
    """The results of one process, except for the changes."""
    found = {
        "counts": {"messages": 3}, "endings": {"asked 1000": 2}, "faults": {}, "examples": [], "advice": ["a"],
        "exceptions": {"KeyError: 'seq'": 1},
        "acknowledged": 3, "generator": IDLE, "timeline": Timeline(5).dump(),
        "contents": register.dump(), "clock_error_ms": 0.5, "aborted": "", "refused": False,
    }  # fmt: skip
    return found | changes


def register(*messages: tuple[int, str]) -> Register:
    found = Register()
    for seq, key in messages:
        found.see("lobby", seq, key, "ada")
    return found


def test_counts_add_up_and_the_worst_generator_decides() -> None:
    results = Results(5)
    results.merge("one", results_of(register((1, "a"))))
    busy = IDLE | {"cpu_percent": 95.0, "lag_ms": IDLE["lag_ms"] | {"p50": 0.5, "worst_p99": 900.0}}
    results.merge("two", results_of(register((1, "a"), (2, "b")), generator=busy, clock_error_ms=2.0))
    assert results.counts["messages"] == results.acknowledged * 1 == 6
    assert results.generator() == {
        "processes": 2, "cpu_percent": 95, "cpu_percent_worst": 12, "lag_ms": IDLE["lag_ms"] | {"worst_p99": 900},
    }  # fmt: skip
    assert results.exceptions == {"KeyError: 'seq'": 2}
    assert (results.clock_error_ms, results.advice) == (2.0, ["a"])
    assert set(results.fault_counts().values()) == {0}


def test_results_without_users_have_the_same_form() -> None:
    assert Results(5).generator() == {"processes": 0, **Generator().as_dict()}
    assert Generator().as_dict().keys() == IDLE.keys()


def test_repeated_results_count_once() -> None:
    results = Results(5)
    for _ in range(2):
        results.merge("one", results_of(register()))
    assert results.counts["messages"] == 3
    assert results.complete(1)
    assert not results.complete(2)


def test_two_messages_at_one_seq_are_a_contradiction() -> None:
    results = Results(5)
    results.merge("one", results_of(register((1, "a"))))
    results.merge("two", results_of(register((1, "b"))))
    assert results.fault_counts()["contradiction"] == 1
    assert "lobby seq 1" in results.examples[0]


def test_a_message_stored_twice_is_found_across_generators() -> None:
    results = Results(5)
    results.merge("one", results_of(register((1, "a"))))
    results.merge("two", results_of(register((2, "a"))))
    assert results.fault_counts()["duplicate"] == 1
