"""All clients of one run.

Each client is in two rooms. Some write all the time, and one in eight has a stream in place of a socket.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import time

import httpx

from tests.chaos.client import Client

ARRIVE_PER_S = 60
ARRIVE_S = 90.0
WRITERS_A_ROOM = 2
# One client in so many talks through `GET /api/stream` and `POST /api/frames`, under the same promises.
CLIENTS_A_STREAM = 8


@dataclass(frozen=True)
class Size:
    """The number of clients and rooms, and messages a second for each room."""

    clients: int = 200
    rooms: int = 20
    rate: float = 1.0


class Crowd:
    """An async context manager: on entering, all clients have joined their rooms."""

    def __init__(
        self, url: str, tokens: Sequence[str], size: Size, *, prefix: str, chance: random.Random, label: str = "c"
    ) -> None:
        """`label` is the prefix of each client's name."""
        self.url, self.tokens, self.size, self.chance, self.prefix = url, tokens, size, chance, prefix
        socket = f"{url.replace('http', 'ws', 1)}/ws/"
        self.rooms = [f"{prefix}-{number}" for number in range(size.rooms)]
        self.clients = [
            Client(
                socket,
                token,
                self._rooms_of(number),
                name=f"{label}{number}",
                chance=random.Random(chance.getrandbits(64)),
                streams=_has_stream(number),
            )
            for number, token in enumerate(tokens[: size.clients])
        ]
        # Makes all rooms, and so is a member of each: another one for each crowd, because a person is shown online in 500 of
        # their rooms, and a run has more.
        self.creator = random.Random(prefix).randrange(max(1, len(self.clients)))
        self.writers: set[Client] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._writing: list[asyncio.Task[None]] = []

    def _rooms_of(self, number: int) -> list[str]:
        """Return one room in turn and another further on.

        Rooms thus overlap in several ways.
        """
        count = len(self.rooms)
        first = number % count
        further = 1 + (number // count) % max(1, count - 1)
        return sorted({self.rooms[first], self.rooms[(first + further) % count]})

    async def __aenter__(self) -> "Crowd":
        try:
            await self._make_rooms()
            for client in self.clients:
                self._tasks.append(asyncio.create_task(client.run()))
                await asyncio.sleep(1 / ARRIVE_PER_S)
            self._tasks.append(asyncio.create_task(self._tick()))
            await self.until(lambda: self.all_online, ARRIVE_S, "everybody is in their rooms")
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _make_rooms(self) -> None:
        headers = {"Authorization": f"Token {self.tokens[self.creator]}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=15) as http:
            for room in self.rooms:
                answer = await http.post("/api/rooms", json={"slug": room, "title": room, "private": False})
                assert answer.status_code == httpx.codes.CREATED, f"making {room} answered {answer.text}"

    async def __aexit__(self, *_error: object) -> None:
        self.stop_writing()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def all_online(self) -> bool:
        """Return whether all clients are live in all their rooms."""
        return all(client.online for client in self.clients)

    @property
    def pending(self) -> list[str]:
        """Return the keys that are not acknowledged yet."""
        return [key for client in self.clients for key in client.outbox.pending]

    def members(self, room: str) -> list[Client]:
        """Return the clients in a room."""
        return [client for client in self.clients if room in client.rooms]

    def writers_of(self, number: int) -> tuple[Client, Client]:
        """Return the clients that write in the room of this number."""
        members = self.members(self.rooms[number])
        return members[number % len(members)], members[-1 - number % len(members)]

    def miscounted(self) -> list[str]:
        """Return the rooms where a client still shows a wrong number of people online."""
        found = []
        for room in self.rooms:
            members = self.members(room)
            online = len({*members, self.clients[self.creator]})
            shown = sorted({client.rooms[room].online for client in members})
            if shown != [online]:
                found.append(f"{room}: {online} people are online, they were told {', '.join(map(str, shown))}")
        return found

    def start_writing(self) -> None:
        """Let WRITERS_A_ROOM clients write `size.rate` messages a second per room."""
        for number, room in enumerate(self.rooms):
            for writer in self.writers_of(number):
                self.writers.add(writer)
                self._writing.append(asyncio.create_task(self._write(writer, room)))

    def stop_writing(self) -> None:
        """Stop new messages; unanswered ones are still repeated."""
        for task in self._writing:
            task.cancel()
        self._writing.clear()

    async def _write(self, writer: Client, room: str) -> None:
        while True:
            await asyncio.sleep(self.chance.uniform(0.5, 1.5) * WRITERS_A_ROOM / self.size.rate)
            writer.outbox.write(room)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1)
            for client in self.clients:
                client.tick(time())

    async def until(self, true: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait; the TimeoutError names the missing condition."""
        deadline = time() + seconds
        while not true():
            if time() > deadline:
                raise TimeoutError(f"not within {seconds:.0f} s: {what}; offline: {self._offline()}")
            await asyncio.sleep(0.05)

    def _offline(self) -> str:
        return "; ".join(f"{client.name} {dict(client.failed)} {client.broken}" for client in self.clients if not client.online)[
            :500
        ]


def _has_stream(number: int) -> bool:
    """Return whether a client has a stream, as one of each eight clients does.

    The place is shifted by one in each eight, so that every room has some streams.
    """
    return (number + number // CLIENTS_A_STREAM) % CLIENTS_A_STREAM == 0
