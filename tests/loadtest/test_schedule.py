"""Turns are due by their schedule, also after a delay."""

import itertools

import pytest

from loadtest.schedule import Turns


class Quick(Turns):
    """A turn every quarter of a second without waiting: this user is always late."""

    def __init__(self, ends_after: int) -> None:
        self.left = ends_after

    def think(self) -> float:
        return 0.25

    def over_after(self, seconds: float) -> bool:
        self.left -= 1
        return self.left < 0


def taken(user: Quick) -> list[float]:
    return list(iter(user.await_turn, None))


def test_each_turn_is_due_one_pause_after_the_last_due_time() -> None:
    dues = taken(Quick(20))
    assert len(dues) == 20
    assert [later - earlier for earlier, later in itertools.pairwise(dues)] == pytest.approx([0.25] * 19)


def test_turns_due_by_the_end_are_reported_once() -> None:
    user = Quick(1)
    (first,) = taken(user)
    overdue = list(user.overdue(first + 1.1))
    assert overdue == pytest.approx([first + 0.25, first + 0.5, first + 0.75, first + 1.0])
    assert list(user.overdue(first + 1.1)) == []
    assert list(Quick(0).overdue(1e9)) == [], "a user who never began has no schedule"


def test_pause_of_a_user_is_no_delay_of_the_server() -> None:
    user = Quick(2)
    user._next_turn = 5.0
    user.forgive()
    due = user.await_turn()
    assert due is not None
    assert due > 5
