"""Live values over several processes: the newest of each key wins everywhere.

Losses, doubles and orders of any kind do not change that.

The model is one line: of all values that clients set, the one with the greatest (time, process).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from redis.exceptions import ConnectionError as RedisAway

import realtime.live_store
import realtime.live_topic
import realtime.live_values
from core import features
from core.features import Feature, Installed, LiveTopic
from db import installation
from realtime.dialects.native import NativeDialect
from realtime.events import Person, RoomRef, encode
from realtime.live_store import RedisLiveStore
from realtime.live_values import LiveValues
from tests.realtime.property.loop import LoopClock, ProcessLoop

ROOM = RoomRef(1, "room", direct=False)
TOPIC = LiveTopic("position", per_s=2.0, keep_s=600.0, keys=3)
PROCESSES, KEYS = 3, "ab"
# The last of the rounds of repairs, a retry of the writer, a retry of the reader.
RIGHT_WITHIN_S = 3.0


class Memory:
    """Redis: sorted sets and pipelines."""

    def __init__(self) -> None:
        self.sets: dict[str, dict[str, float]] = {}
        self.away = False
        # Whether the next pipeline runs without its answer.
        self.deaf = False


class Pipeline:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._commands: list[Callable[[], Any]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        def queue(*arguments: Any, **options: Any) -> None:
            self._commands.append(lambda: getattr(self, f"_{name}")(*arguments, **options))

        return queue

    async def execute(self) -> list[Any]:
        await asyncio.sleep(0)
        if self._memory.away:
            raise RedisAway("away")
        answers = [command() for command in self._commands]
        if self._memory.deaf:
            self._memory.deaf = False
            raise RedisAway("the answer is lost")
        return answers

    def _zadd(self, name: str, members: dict[str, float]) -> None:
        self._memory.sets.setdefault(name, {}).update(members)

    def _zrem(self, name: str, *members: str) -> None:
        for member in members:
            self._memory.sets.get(name, {}).pop(member, None)

    def _zrange(self, name: str, _first: int, _last: int) -> list[str]:
        return list(self._memory.sets.get(name, {}))

    def _zremrangebyscore(self, name: str, _least: str, most: float) -> None:
        kept = {member: score for member, score in self._memory.sets.get(name, {}).items() if score > most}
        self._memory.sets[name] = kept

    def _expire(self, *_arguments: Any, **_options: Any) -> None:
        """Do nothing: members carry their own time."""


class Client:
    """The memory's client of one process."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def pipeline(self, **_options: Any) -> Pipeline:
        return Pipeline(self._memory)

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


class Room:
    """The sockets of a room in one process: their frames, with the time of each."""

    def __init__(self, loop: ProcessLoop) -> None:
        self.ref, self._loop = ROOM, loop
        self.shown: dict[str, Any] = {}
        self.times: dict[str, list[float]] = {}

    def hears_signals(self) -> bool:
        return True

    def dialects_of(self, _topic: str) -> list[Any]:
        return []

    def push_signal(self, text: str, *, but_for: int | None) -> list[Any]:
        for one in json.loads(text)["values"]:
            self.shown[one["key"]] = one["value"]
            self.times.setdefault(one["key"], []).append(self._loop.time())
        return []


class Late:
    """A socket that joins."""

    user = Person(9, "late")

    def __init__(self, room: Room) -> None:
        self._room = room
        self.dialect = NativeDialect(self, "")  # type: ignore[arg-type]

    def push_batch(self, batch: Any) -> None:
        for text in batch.texts:
            self._room.shown |= {one["key"]: one["value"] for one in json.loads(text)["values"]}


class Process:
    """The registry, the bus and the parts of LiveValues, on a clock of its own.

    Starting again forgets all.
    """

    def __init__(self, number: int, world: World) -> None:
        self.number, self.world = number, world
        self.loop = ProcessLoop()
        self.inbox: list[str] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.starts = 0
        self.start()

    def start(self) -> None:
        for task in self.tasks:
            task.cancel()
        self.loop.settle()
        self.starts += 1
        self.origin = f"{self.number}.{self.starts}"
        self.rooms: dict[int, Room] = {}
        self.inbox.clear()
        store = RedisLiveStore(self.spawn, lambda: Client(self.world.memory))  # type: ignore[arg-type,return-value]
        self.live = LiveValues(self, self, self, self.spawn, store)  # type: ignore[arg-type]

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def send(self, _group: str, message: dict[str, Any]) -> None:
        for other in self.world.processes:
            if other is not self and ROOM.id in other.rooms and self.world.layer_works:
                other.inbox.append(encode(message))

    def close_slow(self, sockets: list[Any]) -> None:
        assert not sockets

    def call(self, function: Callable[[], Any]) -> None:
        """Call on the running loop, and run the resulting tasks."""
        failed: list[BaseException] = []

        def noting_failures() -> None:
            try:
                function()
            except BaseException as error:  # noqa: BLE001 - raised again outside of the loop
                failed.append(error)

        self.loop.call_soon(noting_failures)
        self.loop.settle()
        if failed:
            raise failed[0]

    def open(self) -> Room:
        if ROOM.id not in self.rooms:
            self.rooms[ROOM.id] = Room(self.loop)
        return self.rooms[ROOM.id]

    def join(self) -> Room:
        """Let a socket join; its own view is the room's from then on."""
        room = self.open()
        self.call(lambda: self.live.joined(Late(room), room))  # type: ignore[arg-type]
        return room

    def deliver(self, index: int) -> None:
        if self.inbox:
            text = self.inbox.pop(index % len(self.inbox))
            self.call(lambda: self.live.on_message(json.loads(text)))

    def leave(self) -> None:
        if ROOM.id in self.rooms and not self.live.is_keeping(ROOM.id):
            del self.rooms[ROOM.id]
            self.call(lambda: self.live.closed(ROOM.id))


class World:
    def __init__(self) -> None:
        self.memory = Memory()
        self.layer_works = True
        self.processes: list[Process] = []
        for number in range(PROCESSES):
            self.processes.append(Process(number, self))

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.1)):
            for process in self.processes:
                process.loop.advance(0.1)

    def deliver_all(self) -> None:
        for process in self.processes:
            while process.inbox:
                process.deliver(0)


EXAMPLES = int(os.environ.get("HUBBUB_EXAMPLES", "0"))
SETTINGS = hypothesis_settings(
    max_examples=EXAMPLES or 40,
    stateful_step_count=25,
    derandomize=not EXAMPLES,
    # As in test_delivery.py: only HUBBUB_EXAMPLES shrinks a failure.
    phases=list(Phase) if EXAMPLES else [Phase.generate],
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
processes = st.integers(0, PROCESSES - 1)
keys = st.sampled_from(KEYS)
some = st.integers(0, 5)


class Live(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        random.seed(0)
        self.world = World()
        self.set: dict[str, tuple[float, str, Any]] = {}
        self.number = 0
        for process in self.world.processes:
            process.join()

    @rule(process=processes, key=keys, ends=st.integers(0, 3))
    def publish(self, process: int, key: str, ends: int) -> None:
        """A client sets or ends a value, on a process where it has joined."""
        found = self.world.processes[process]
        found.join()
        self.number += 1
        value = None if ends == 0 else self.number
        found.call(lambda: found.live.publish(ROOM, TOPIC.name, key, value, sender=Person(1, "ada")))
        one = found.live._rooms[ROOM.id][TOPIC.name].values[key]
        self.set[key] = max(self.set.get(key, (0.0, "", None)), (one.at, one.by, value), key=lambda each: each[:2])

    @rule(process=processes, index=some)
    def deliver(self, process: int, index: int) -> None:
        self.world.processes[process].deliver(index)

    @rule(process=processes, index=some)
    def double(self, process: int, index: int) -> None:
        inbox = self.world.processes[process].inbox
        if inbox:
            inbox.append(inbox[index % len(inbox)])

    @rule(away=st.booleans(), empties=st.booleans())
    def redis(self, away: bool, empties: bool) -> None:
        """Redis goes, with the messages in transit, or comes back, perhaps empty."""
        was_away, self.world.memory.away, self.world.layer_works = self.world.memory.away, away, not away
        for process in self.world.processes if away else ():
            process.inbox.clear()
        if was_away and not away:
            if empties:
                self.world.memory.sets.clear()
            for process in self.world.processes:
                process.call(process.live.restored)

    @rule()
    def lose_an_answer(self) -> None:
        self.world.memory.deaf = True

    @rule(process=processes)
    def leave(self, process: int) -> None:
        self.world.processes[process].leave()

    @rule(process=processes)
    def join(self, process: int) -> None:
        self.world.processes[process].join()

    @rule(seconds=st.sampled_from([0.1, 0.6, 2.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(process=processes)
    def start_again(self, process: int) -> None:
        """A process ends, once the others and Redis have its values."""
        if not self.world.memory.away:
            self.world.advance(RIGHT_WITHIN_S)
            self.world.deliver_all()
            self.world.processes[process].start()
            self.world.processes[process].join()

    def teardown(self) -> None:
        try:
            self.redis(away=True, empties=False)
            self.redis(away=False, empties=True)
            for _ in range(2):
                self.world.advance(RIGHT_WITHIN_S / 2)
                self.world.deliver_all()
            self.world.advance(1 / TOPIC.per_s)
            self._check()
            fresh = self.world.processes[0]
            fresh.start()
            fresh.join()
            self.world.advance(1.0)
            wanted = {key: one[2] for key, one in self.set.items() if one[2] is not None}
            assert {key: value for key, value in fresh.open().shown.items() if value is not None} == wanted
        finally:
            for process in self.world.processes:
                for task in process.tasks:
                    task.cancel()
                process.loop.settle()
                process.loop.close()

    def _check(self) -> None:
        wanted = {key: one[2] for key, one in self.set.items()}
        for process in self.world.processes:
            if ROOM.id not in process.rooms:
                continue
            room = process.rooms[ROOM.id]
            shown = {key: room.shown.get(key) for key in wanted}
            assert shown == wanted, f"process {process.number} shows {shown}, clients set {wanted}"
            for times in room.times.values():
                paces = [later - earlier for earlier, later in pairwise(times)]
                assert all(pace >= 1 / TOPIC.per_s - 0.002 for pace in paces), times
        stored = [json.loads(text)[1] for found in self.world.memory.sets.values() for text in found]
        values = {fields[0]: fields[2] for fields in stored if fields[2] is not None}
        assert values == {key: value for key, value in wanted.items() if value is not None}


@pytest.fixture
def _clocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    clock = LoopClock()
    for module in (realtime.live_values, realtime.live_topic, realtime.live_store):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(installation, "known", lambda: "test")
    before = features.installed()
    features.install(Installed([Feature("positions", live=(TOPIC,))]))
    yield
    features.install(before)


@pytest.mark.usefixtures("_clocks")
def test_newest_value_wins_everywhere() -> None:
    run_state_machine_as_test(Live, settings=SETTINGS)
