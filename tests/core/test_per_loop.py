"""One instance for each event loop, as long as the loop lives."""

import asyncio
import gc
import weakref

import pytest

from core.per_loop import PerLoop

pytestmark = pytest.mark.once


class Thing:
    """The object of which each loop has one."""


async def _ask(things: PerLoop[Thing]) -> Thing:
    return things()


def test_each_loop_keeps_its_own_instance() -> None:
    things = PerLoop(Thing)
    with asyncio.Runner() as first, asyncio.Runner() as second:
        one, two = first.run(_ask(things)), second.run(_ask(things))
        assert one is not two
        assert [first.run(_ask(things)), second.run(_ask(things)), second.run(_ask(things))] == [one, two, two]
        assert (things[first.get_loop()], things[second.get_loop()]) == (one, two)


def test_instance_can_be_set_and_removed() -> None:
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


def test_instance_does_not_keep_its_loop_alive() -> None:
    things = PerLoop(Thing)
    with asyncio.Runner() as runner:
        runner.run(_ask(things))
        gone = weakref.ref(runner.get_loop())
    del runner
    gc.collect()
    assert gone() is None


def test_no_instance_exists_without_a_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        PerLoop(Thing)()
