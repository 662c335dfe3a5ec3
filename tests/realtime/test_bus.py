"""The hub's channel layer groups follow the wanted set, in any order of changes."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer, get_channel_layer

from realtime.layer.bus import Bus, bus_for

Heard = asyncio.Queue[dict[str, Any]]


def bus_named(origin: str, deliver: Callable[[dict[str, Any]], None]) -> Bus:
    """A bus on this profile's layer that delivers messages one by one."""

    def each(messages: list[dict[str, Any]]) -> None:
        for message in messages:
            deliver(message)

    return bus_for(origin, each, lambda: None)


async def test_cancellation_that_comes_with_a_change_ends_the_task() -> None:
    """On Python 3.11 asyncio.wait_for lost it, and the task went on for ever."""
    bus = Bus("one", lambda _: None, lambda: None, InMemoryChannelLayer())
    bus.start()
    await asyncio.sleep(0.05)
    for task in bus._tasks:
        bus._changed.set()
        task.cancel()
    ended, going_on = await asyncio.wait(bus._tasks, timeout=5)
    for task in going_on:
        task.cancel()
    assert not going_on
    assert all(task.cancelled() for task in ended)


async def test_group_wanted_again_in_one_iteration_stays_joined() -> None:
    heard: Heard = asyncio.Queue()
    bus = bus_named("one", heard.put_nowait)
    bus.start()
    try:
        await bus.subscribe(["room.1"])
        bus.unsubscribe("room.1")
        await bus.subscribe(["room.1"])
        layer: Any = get_channel_layer()
        async with asyncio.timeout(5):
            while True:  # the layer may take a moment
                await layer.group_send("room.1", {"type": "hub", "origin": "two", "kind": "probe"})
                try:
                    message = await asyncio.wait_for(heard.get(), 0.2)
                    break
                except TimeoutError:
                    continue
        assert message["origin"] == "two"
        bus.unsubscribe("room.1")
        await asyncio.sleep(1)
        while not heard.empty():
            heard.get_nowait()
        await layer.group_send("room.1", {"type": "hub", "origin": "two", "kind": "probe"})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(heard.get(), 0.5)
    finally:
        await bus.stop()


class SlowToLeave(InMemoryChannelLayer):
    """Answers a leave only when told: a layer over a network takes its time, too."""

    def __init__(self) -> None:
        super().__init__()
        self.leaving, self.may_leave = asyncio.Event(), asyncio.Event()

    async def group_discard(self, group: str, channel: str) -> None:
        await super().group_discard(group, channel)
        self.leaving.set()
        await self.may_leave.wait()


async def test_subscription_waits_while_its_group_is_being_left() -> None:
    layer, heard = SlowToLeave(), Heard()

    def deliver(messages: list[dict[str, Any]]) -> None:
        for message in messages:
            heard.put_nowait(message)

    bus = Bus("one", deliver, lambda: None, layer)
    bus.start()
    try:
        await bus.subscribe(["user.1"])
        bus.unsubscribe("user.1")
        await asyncio.wait_for(layer.leaving.wait(), 5)
        asyncio.get_running_loop().call_later(0.1, layer.may_leave.set)
        await bus.subscribe(["user.1"])
        await layer.group_send("user.1", {"type": "hub", "origin": "two", "kind": "probe"})
        assert (await asyncio.wait_for(heard.get(), 5))["origin"] == "two"
    finally:
        await bus.stop()


async def test_failed_delivery_does_not_stop_the_bus() -> None:
    heard: Heard = asyncio.Queue()

    def deliver(message: dict[str, Any]) -> None:
        if message["kind"] == "odd":
            raise KeyError("of another release")
        heard.put_nowait(message)

    bus = bus_named("one", deliver)
    bus.start()
    try:
        await bus.subscribe(["room.1"])
        other = bus_named("two", lambda _message: None)
        other.start()
        async with asyncio.timeout(10):
            while True:  # a connecting layer may lose both
                other.send("room.1", {"kind": "odd"})
                await asyncio.sleep(0.2)  # what arrives in one read fails as one
                other.send("room.1", {"kind": "probe"})
                with contextlib.suppress(TimeoutError):
                    message = await asyncio.wait_for(heard.get(), 0.5)
                    break
        assert message["kind"] == "probe"
        await other.stop()
    finally:
        await bus.stop()
