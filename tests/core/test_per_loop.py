"""One for each event loop, as long as the loop lives."""

import asyncio
import gc
import weakref

import pytest

from core.per_loop import PerLoop

pytestmark = pytest.mark.once


class Thing:
    """What there is one of."""


async def _ask(things: PerLoop[Thing]) -> Thing:
    return things()


def test_each_loop_has_its_own_and_keeps_it() -> None:
    things = PerLoop(Thing)
    with asyncio.Runner() as first, asyncio.Runner() as second:
        one, two = first.run(_ask(things)), second.run(_ask(things))
        assert one is not two
        assert [first.run(_ask(things)), second.run(_ask(things)), second.run(_ask(things))] == [one, two, two]
        assert (things[first.get_loop()], things[second.get_loop()]) == (one, two)


def test_one_that_was_put_there_is_that_of_its_loop_and_one_that_was_taken_is_not() -> None:
    things = PerLoop(Thing)
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        with pytest.raises(KeyError):
            things[loop]
        first = runner.run(_ask(things))
        put = things.put(loop, Thing())
        assert runner.run(_ask(things)) is put is not first
        assert things.take(loop) is put
        with pytest.raises(KeyError):
            things.take(loop)
        assert runner.run(_ask(things)) is not put


def test_a_loop_is_not_kept_for_it() -> None:
    things = PerLoop(Thing)
    with asyncio.Runner() as runner:
        runner.run(_ask(things))
        gone = weakref.ref(runner.get_loop())
    del runner
    gc.collect()
    assert gone() is None


def test_there_is_none_without_a_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        PerLoop(Thing)()
