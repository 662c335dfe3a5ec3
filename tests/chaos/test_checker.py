"""The checker passes a good run and names each planted fault."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.checker import check, waits
from tests.chaos.records import Ack, Life, Receipt, Row, Run, Sight, Span, Window

START, ROOM, AUTHOR = 1_000.0, "room", 7
EVENTS = 60


def good_run() -> Run:
    """Two clients, one event a second.

    A fault from 20 to 30 stops deliveries and one socket.
    """
    log = [Row(ROOM, seq, AUTHOR, f"key-{seq}", f"text {seq}", START + seq) for seq in range(1, EVENTS + 1)]
    acks = [Ack(ROOM, AUTHOR, row.key, row.seq, row.at + 0.1) for row in log]
    steady = Sight("steady", START - 2, {ROOM: [_receipt(row, row.at + 0.05) for row in log]}, [Life(START - 1)])
    lives = [Life(START - 1, START + 21, 1006), Life(START + 32)]
    late = [_receipt(row, row.at + 0.05 if row.seq <= 20 else max(row.at + 0.05, START + 32.2)) for row in log]
    cut = Sight("cut", START - 2, {ROOM: late}, lives)
    return Run({ROOM: log}, acks, [steady, cut], [Window("a fault", Span(START + 20.2, START + 30), excuses=True)], 80, 90)


def _receipt(row: Row, at: float) -> Receipt:
    return Receipt(row.seq, row.author, row.text, at)


def test_a_good_run_passes() -> None:
    assert check(good_run()) == []


def test_outage_is_excused_and_a_later_wait_is_not() -> None:
    run = good_run()
    measured = {row.seq: round(wait, 2) for row, _, wait in waits(run.sights[1], run)}
    assert measured[20] == 0.05
    assert measured[22] == 0.2
    assert measured[40] == 0.05


def test_dead_connection_is_excused_until_it_is_detected() -> None:
    run = good_run()
    run.windows[0] = replace(run.windows[0], span=Span(START + 20.2, START + 50))
    steady = run.sights[0]
    steady.deaf, steady.lives = [Span(START + 20.2, START + 40)], [Life(START - 1, START + 40, 1006), Life(START + 41)]
    view = steady.views[ROOM]
    view[20:40] = [replace(receipt, at=START + 41.2) for receipt in view[20:40]]
    assert [problem for problem in check(run) if "steady" in problem] == []
    steady.deaf = []
    run.windows[0] = replace(run.windows[0], excuses=False)
    assert any(problem.startswith("late: steady waited up to 19.0 s") for problem in check(run))


def lose(run: Run) -> None:
    del run.sights[0].views[ROOM][9]


def lose_the_last(run: Run) -> None:
    run.sights[0].views[ROOM].pop()


def miss_a_whole_room(run: Run) -> None:
    run.sights[0].views[ROOM].clear()


def double(run: Run) -> None:
    view = run.sights[0].views[ROOM]
    view.insert(10, view[9])


def swap(run: Run) -> None:
    view = run.sights[1].views[ROOM]
    view[9], view[10] = view[10], view[9]


def invent(run: Run) -> None:
    view = run.sights[0].views[ROOM]
    view.append(replace(view[-1], seq=EVENTS + 1))


def change_the_text(run: Run) -> None:
    view = run.sights[0].views[ROOM]
    view[9] = replace(view[9], text="text 11")


def change_the_author(run: Run) -> None:
    view = run.sights[0].views[ROOM]
    view[9] = replace(view[9], author=8)


def break_on_the_socket(run: Run) -> None:
    run.sights[0].broken.append("doubled: event 3 of room came again on one socket")


def acknowledge_nothing_stored(run: Run) -> None:
    run.acks.append(Ack(ROOM, AUTHOR, "phantom", 61, START + 50))


def acknowledge_another_seq(run: Run) -> None:
    run.acks[9] = replace(run.acks[9], seq=11)


def acknowledge_twice_differently(run: Run) -> None:
    run.acks.append(replace(run.acks[9], seq=12))


def acknowledge_for_somebody_else(run: Run) -> None:
    run.acks[9] = replace(run.acks[9], author=8)


def never_acknowledge(run: Run) -> None:
    run.unsent.append("key-99")


def store_twice(run: Run) -> None:
    run.log[ROOM][9] = replace(run.log[ROOM][9], key="key-9")


def leave_a_hole(run: Run) -> None:
    run.log[ROOM].pop(9)


def wait(run: Run) -> None:
    view = run.sights[0].views[ROOM]
    view[49:55] = [replace(receipt, at=START + 55.5) for receipt in view[49:55]]


def wait_after_the_fault(run: Run) -> None:
    view = run.sights[0].views[ROOM]
    view[24:36] = [replace(receipt, at=START + 35.5) for receipt in view[24:36]]


def wait_after_hello(run: Run) -> None:
    view = run.sights[1].views[ROOM]
    view[24:38] = [replace(receipt, at=START + 37.5) for receipt in view[24:38]]


def wait_until_the_socket_is_lost(run: Run) -> None:
    run.windows[0] = replace(run.windows[0], excuses=False)
    run.sights[1].lives[0].ended_at = START + 27


def wait_in_a_fault_that_excuses_nothing(run: Run) -> None:
    run.windows[0] = replace(run.windows[0], excuses=False)
    view = run.sights[0].views[ROOM]
    view[20:26] = [replace(receipt, at=START + 26.5) for receipt in view[20:26]]


def close_for_nothing(run: Run) -> None:
    run.sights[0].lives = [Life(START - 1, START + 45, 1011), Life(START + 45.5)]


def close_by_a_fault_that_ends_none(run: Run) -> None:
    run.windows[0] = replace(run.windows[0], ends_sockets=False)


def be_deaf(run: Run) -> None:
    run.sights[0].deaf.append(Span(START + 2, START + 58))


def back_later_than_this_fault_allows(run: Run) -> None:
    run.windows = [replace(window, back_s=5.0) for window in run.windows]
    run.sights[1].lives[1].hello_at = START + 36


def keep_out(run: Run) -> None:
    run.sights[1].lives[1].hello_at = START + 41


def never_come_back(run: Run) -> None:
    del run.sights[1].lives[1]


def miscount(run: Run) -> None:
    run.miscounted.append("room: 2 people are online, they were told 1")


def do_nothing(run: Run) -> None:
    run.idle.append("redis-flush had no effect: a key that was written before it is still there")


def grow(run: Run) -> None:
    run.memory_after = 150


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (lose, "lost: steady never got 10 of room"),
        (lose_the_last, "lost: steady never got 60 of room"),
        (miss_a_whole_room, "lost: steady never got 1, 2, 3, 4, 5, … (60) of room"),
        (double, "doubled: steady got 10 of room more than once"),
        (swap, "out of order: cut got 10 of room after a later one"),
        (invent, "invented: steady got 61 of room, which the log does not have"),
        (change_the_text, "changed: steady got other content at 10 of room"),
        (change_the_author, "changed: steady got other content at 10 of room"),
        (break_on_the_socket, "doubled: event 3 of room came again on one socket"),
        (acknowledge_nothing_stored, "acknowledged and lost: phantom of 7 as 61 of room is not in the log"),
        (acknowledge_another_seq, "acknowledged wrongly: key-10 of 7 in room as 11, the log has it at 10"),
        (acknowledge_twice_differently, "acknowledged wrongly: key-10 of 7 in room as 12, the log has it at 10"),
        (acknowledge_for_somebody_else, "acknowledged and lost: key-10 of 8 as 10 of room is not in the log"),
        (never_acknowledge, "never acknowledged: key-99"),
        (store_twice, "log: room holds key key-9 of 7 2 times"),
        (leave_a_hole, "log: room is not 1, 2, 3, …: wrong at 11"),
        (wait, "late: steady waited up to 5.5 s (1 events, worst 50 of room)"),
        (wait_after_the_fault, "late: steady waited up to 5.5 s (6 events, worst 25 of room)"),
        (wait_after_hello, "late: cut waited up to 5.5 s (8 events, worst 25 of room)"),
        (wait_until_the_socket_is_lost, "late: cut waited up to 6.0 s (1 events, worst 21 of room)"),
        (wait_in_a_fault_that_excuses_nothing, "late: steady waited up to 5.5 s (1 events, worst 21 of room)"),
        (close_by_a_fault_that_ends_none, "closed: cut lost its socket (1006) though nothing was wrong"),
        (close_for_nothing, "closed: steady lost its socket (1011) though nothing was wrong"),
        (be_deaf, "deaf: steady kept a dead connection for 56.0 s"),
        (back_later_than_this_fault_allows, "kept out: cut had no hello for 6.0 s"),
        (keep_out, "kept out: cut had no hello for 11.0 s"),
        (never_come_back, "kept out: cut had no hello for inf s"),
        (miscount, "miscounted: room: 2 people are online, they were told 1"),
        (do_nothing, "redis-flush had no effect: a key that was written before it is still there"),
        (grow, "memory: a worker ends with 150 MiB, it began with 80"),
    ],
)
def test_planted_fault_is_found(plant: Callable[[Run], None], found: str) -> None:
    run = good_run()
    plant(run)
    assert found in check(run)
