"""The ledger finds every planted fault, and none in a complete log."""

import random

from hypothesis import given
from hypothesis import strategies as st

from loadtest.ledger import Fault, Register, View, summary

LOG = [(seq, f"key-{seq}") for seq in range(1, 21)]


def watch(register: Register, who: str = "ada", head: int = 0) -> View:
    view = View(register, room="lobby", who=who)
    view.start(head)
    return view


def acknowledge_all(register: Register) -> None:
    for seq, key in LOG:
        assert register.acknowledge("lobby", seq, key, who="author") == ()


def kinds(register: Register) -> dict[str, int]:
    return {str(kind): count for kind, count in register.counts.items()}


def test_a_complete_log_has_no_fault() -> None:
    register = Register()
    acknowledge_all(register)
    view = watch(register)
    for seq, key in LOG:
        assert view.observe(seq, key) == ()
    assert view.close() == ()
    assert kinds(register) == {}
    assert register.acknowledged == len(LOG)
    assert view.seen == len(LOG)


def test_late_view_needs_no_earlier_events() -> None:
    register = Register()
    acknowledge_all(register)
    view = watch(register, head=15)
    for seq, key in LOG[15:]:
        assert view.observe(seq, key) == ()
    assert view.close() == ()


@given(planted=st.integers(1, 20))
def test_one_lost_event_is_found_at_any_place(planted: int) -> None:
    register = Register()
    acknowledge_all(register)
    view = watch(register)
    for seq, key in LOG:
        if seq != planted:
            view.observe(seq, key)
    (fault,) = view.close()
    assert (fault.kind, fault.seq, fault.room, fault.who) == ("lost", planted, "lobby", "ada")
    assert f"key-{planted} was acknowledged" in fault.detail
    assert kinds(register) == {"lost": 1}


def test_lost_last_message_is_found_without_a_gap() -> None:
    register = Register()
    acknowledge_all(register)
    view = watch(register)
    for seq, key in LOG[:-1]:
        view.observe(seq, key)
    assert not view.holds(register.highest("lobby"))
    (fault,) = view.close()
    assert (fault.kind, fault.seq) == ("lost", 20)


def test_last_message_seen_only_by_others_is_missed() -> None:
    register = Register()
    ada, bob = watch(register, "ada"), watch(register, "bob")
    ada.observe(1, "key-1")
    assert ada.close() == ()
    (fault,) = bob.close()
    assert (fault.kind, fault.seq, fault.who) == ("lost", 1, "bob")


@given(planted=st.integers(1, 20), again=st.integers(0, 20))
def test_one_doubled_event_is_found(planted: int, again: int) -> None:
    register = Register()
    acknowledge_all(register)
    view = watch(register)
    arrivals = [*LOG]
    arrivals.insert(min(planted + again, len(LOG)), LOG[planted - 1])
    faults = [fault for seq, key in arrivals for fault in view.observe(seq, key)]
    assert [(fault.kind, fault.seq) for fault in faults] == [("duplicate", planted)]
    assert view.close() == ()


@given(planted=st.integers(1, 19))
def test_two_swapped_events_are_one_fault_and_no_loss(planted: int) -> None:
    register = Register()
    acknowledge_all(register)
    view = watch(register)
    arrivals = [*LOG]
    arrivals[planted - 1], arrivals[planted] = arrivals[planted], arrivals[planted - 1]
    faults = [fault for seq, key in arrivals for fault in view.observe(seq, key)]
    assert [(fault.kind, fault.seq) for fault in faults] == [("out of order", planted)]
    assert view.close() == ()


@given(seed=st.integers(), lost=st.sets(st.integers(1, 20)), doubled=st.sets(st.integers(1, 20)))
def test_any_mixture_is_counted_exactly(seed: int, lost: set[int], doubled: set[int]) -> None:
    register = Register()
    acknowledge_all(register)
    view = watch(register)
    arrivals = [item for item in LOG if item[0] not in lost]
    arrivals += [item for item in LOG if item[0] in doubled - lost]
    random.Random(seed).shuffle(arrivals)
    for seq, key in arrivals:
        view.observe(seq, key)
    view.close()
    highest, late, seen = 0, 0, set[int]()
    for seq, _ in arrivals:
        late += seq < highest and seq not in seen
        highest, seen = max(highest, seq), seen | {seq}
    assert register.counts["lost"] == len(lost)
    assert register.counts["duplicate"] == len(doubled - lost)
    assert register.counts["out of order"] == late
    assert register.counts["contradiction"] == 0


def test_message_stored_twice_is_reported_once() -> None:
    register = Register()
    ada, bob = watch(register, "ada"), watch(register, "bob")
    assert [ada.observe(1, "key"), bob.observe(1, "key"), ada.observe(2, "key")] == [
        (),
        (),
        (Fault("duplicate", "lobby", 2, "ada", "message key is stored at 1 too"),),
    ]
    assert bob.observe(2, "key") == ()
    assert kinds(register) == {"duplicate": 1}


def test_ack_with_another_messages_seq_is_a_contradiction() -> None:
    register = Register()
    watch(register).observe(1, "key-of-bob")
    (fault,) = register.acknowledge("lobby", 1, "key-of-ada", who="ada")
    assert fault.kind == "contradiction"
    assert "key-of-ada" in fault.detail
    assert "key-of-bob" in fault.detail


def test_gap_that_the_log_fills_is_reported_as_a_loss() -> None:
    register = Register()
    acknowledge_all(register)
    view = watch(register)
    for seq, key in LOG:
        if seq != 7:
            view.observe(seq, key)
    assert view.contiguous == 6
    for seq, key in LOG[6:]:
        assert view.replay(seq, key) == ()
    assert view.page_end(20) == ()
    (fault,) = view.close()
    assert (fault.kind, fault.seq) == ("lost", 7)
    assert "in the log but was never pushed" in fault.detail


def test_a_page_after_a_reconnect_must_reach_its_head() -> None:
    register = Register()
    view = watch(register)
    view.observe(1)
    view.page_end(3)
    assert [(fault.kind, fault.seq) for fault in view.close()] == [("lost", 2), ("lost", 3)]


def test_log_shorter_than_received_events_is_a_contradiction() -> None:
    register = Register()
    view = watch(register)
    view.observe(1)
    view.observe(2)
    (fault,) = view.page_end(1)
    assert fault.kind == "contradiction"


def test_event_found_only_on_request_counts_as_lost() -> None:
    register = Register()
    acknowledge_all(register)
    view = watch(register)
    for seq, key in LOG[:-1]:
        view.observe(seq, key)
    view.expect(20)
    assert view.replay(*LOG[-1]) == ()
    (fault,) = view.close()
    assert (fault.kind, fault.seq) == ("lost", 20)


def test_event_of_another_room_is_astray() -> None:
    register = Register()
    view = watch(register)
    (fault,) = view.astray("garden", 7)
    assert (fault.kind, fault.room, fault.seq, fault.who) == ("astray", "garden", 7, "ada")
    assert view.close() == ()


def test_acknowledged_message_is_required_and_missed_once() -> None:
    register = Register()
    acknowledge_all(register)
    assert (register.lowest("lobby"), register.lowest("garden")) == (1, 0)
    known = register.known("lobby", 0, 5)
    assert known == dict(LOG[:5])
    assert register.hold("lobby", known, {1, 2, 3, 4, 5, 6}, "ada", "the log") == ()
    (fault,) = register.hold("lobby", known, {1, 2, 4, 5}, "ada", "the log")
    assert (fault.kind, fault.seq, fault.detail) == ("lost", 3, "message key-3 was told, and is not in the log")
    assert register.hold("lobby", known, {1, 2, 4, 5}, "bob", "the log") == ()
    assert kinds(register) == {"lost": 1}


def test_rooms_do_not_mix() -> None:
    register = Register()
    lobby, garden = watch(register), View(register, room="garden", who="ada")
    garden.start(0)
    lobby.observe(1, "a")
    garden.observe(1, "b")
    assert lobby.close() + garden.close() == ()


def test_examples_are_bounded_and_counts_are_not() -> None:
    register = Register()
    view = watch(register)
    view.observe(1001)
    view.close()
    assert register.counts["lost"] == 1000
    assert len(register.faults) == 50


def test_the_summary_names_every_kind() -> None:
    register = Register()
    view = watch(register)
    view.observe(1)
    view.observe(1)
    assert summary(register.counts) == "lost 0, duplicate 1, out of order 0, contradiction 0, altered 0, astray 0"
