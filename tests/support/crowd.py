"""Users who chat while a test stops servers, and notice lost messages.

async with Crowd(stack.url, readers=10, writers=4, askers=2) as crowd:
    await crowd.until_written(20)         # all writers have 20 more replies
    ...                                   # faults of the servers
await crowd.hold_to_the_log()             # all clients have the whole log in order; each reply is in it once
assert max(crowd.connections()) <= 3
assert crowd.failed_requests == []

A person reconnects with a little jitter, resumes with `after`, and writes the same key again until it has a reply, as
the web app does. Askers send HTTP requests, reads and writes, one after the other.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from time import monotonic, time
from types import TracebackType
from typing import Self

import httpx
from websockets.exceptions import InvalidHandshake, InvalidMessage

from tests.support.chat_client import Account, ChatClient, Closed, Frame, Refused, create_room, sign_up
from tests.support.ledger import Entry, acknowledgement_faults, log_faults, view_faults

_LOST = (Closed, Refused, OSError, InvalidHandshake, InvalidMessage, TimeoutError)
_WRITE_EVERY_S = 0.1
_ASK_EVERY_S = 0.05
_CATCH_UP_S = 30.0


class Person:
    """One account that stays in the room."""

    def __init__(self, url: str, account: Account, room: str, *, writes: bool) -> None:
        self.url, self.account, self.room, self.writes = url, account, room, writes
        self.events: list[Frame] = []
        # Key of each message with a reply → its seq.
        self.acknowledged: dict[str, int] = {}
        self.connections = 0
        # The end of each connection, and of each failed attempt.
        self.ended: list[str] = []
        # Number of messages answered with `unavailable`; they were sent again.
        self.put_off = 0
        # The longest time without a joined socket; the first connection does not count.
        self.longest_away = 0.0
        # Seconds from the first try of a message to its reply, and from an event's commit to its arrival on an open socket.
        self.slowest_reply = 0.0
        self.slowest_delivery = 0.0
        self._away_since: float | None = None
        self._stopping = False
        self._numbers = itertools.count(1)
        self._unanswered: str | None = None
        self._first_tried = 0.0

    @property
    def drains(self) -> int:
        """Return the number of `drain` frames."""
        return self._drains

    _drains = 0

    async def stay(self) -> None:
        """Stay connected until cancelled, or until `stop_writing` and the log is complete."""
        while True:
            try:
                async with ChatClient(self.url, self.account) as chat:
                    await self._be_there(chat)
            except _LOST as error:
                self.ended.append(f"{error.code}" if isinstance(error, Closed) else f"{type(error).__name__}: {error}")
                self._away_since = self._away_since or monotonic()
                await asyncio.sleep(random.uniform(0.05, 0.3))

    async def _be_there(self, chat: ChatClient) -> None:
        self.connections += 1
        self.events += await chat.catch_up(self.room, after=len(self.events))
        if self._away_since is not None:
            self.longest_away = max(self.longest_away, monotonic() - self._away_since)
            self._away_since = None
        doing = [asyncio.create_task(self._read(chat))]
        if self.writes:
            doing.append(asyncio.create_task(self._write(chat)))
        try:
            await asyncio.gather(*doing)
        finally:
            self._drains += len(chat.pending_frames("drain"))
            for task in doing:
                task.cancel()
            await asyncio.gather(*doing, return_exceptions=True)

    async def _read(self, chat: ChatClient) -> None:
        while True:
            event = await chat.expect("message", timeout=120)
            self.events.append(event)
            self.slowest_delivery = max(self.slowest_delivery, time() - datetime.fromisoformat(event["at"]).timestamp())

    async def _write(self, chat: ChatClient) -> None:
        while self._unanswered or not self._stopping:
            if not self._unanswered:
                self._unanswered, self._first_tried = f"{self.account.name}-{next(self._numbers)}", monotonic()
            key = self._unanswered
            try:
                # Without its database the server answers within 6 s.
                reply = await chat.request("message.send", room=self.room, text=f"text of {key}", key=key, timeout=10)
            except Refused as refused:
                if refused.code != "unavailable":
                    raise
                self.put_off += 1
                await asyncio.sleep(random.uniform(0.05, 0.3))
                continue
            self.acknowledged[key] = reply["seq"]
            self._unanswered = None
            self.slowest_reply = max(self.slowest_reply, monotonic() - self._first_tried)
            await asyncio.sleep(_WRITE_EVERY_S * random.uniform(0.5, 1.5))

    def stop_writing(self) -> None:
        """Send nothing new, but repeat the messages without a reply."""
        self._stopping = True

    @property
    def idle(self) -> bool:
        """Return whether every message has its reply."""
        return self._stopping and self._unanswered is None


class Crowd:
    """Readers, writers and askers in a fresh room."""

    def __init__(self, url: str, *, readers: int = 0, writers: int = 2, askers: int = 0) -> None:
        self.url = url
        self.people: list[Person] = []
        self.failed_requests: list[str] = []
        self.requests = 0
        self._counts = (readers, writers, askers)
        self._tasks: list[asyncio.Task[None]] = []
        self._asking = True

    async def __aenter__(self) -> Self:
        readers, writers, askers = self._counts
        owner = await sign_up(self.url)
        self.room = await create_room(self.url, owner)
        socket_url = self.url.replace("http", "ws", 1) + "/ws/"
        for number in range(readers + writers):
            account = await sign_up(self.url)
            self.people.append(Person(socket_url, account, self.room, writes=number < writers))
        self._tasks = [asyncio.create_task(person.stay()) for person in self.people]
        self._tasks += [asyncio.create_task(self._ask(owner)) for _ in range(askers)]
        await _wait_until(lambda: all(person.connections for person in self.people), 30, "everybody to be connected")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                await self._settle()
        finally:
            for task in self._tasks:
                task.cancel()
            found = await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in found:
            if isinstance(one, Exception):
                raise one

    async def until_written(self, more: int) -> None:
        """Wait until each writer has this many more replies."""
        writers = [person for person in self.people if person.writes]
        wanted = {person.account.id: len(person.acknowledged) + more for person in writers}
        await _wait_until(
            lambda: all(len(person.acknowledged) >= wanted[person.account.id] for person in writers),
            60,
            f"{more} more messages each",
        )

    def connections(self) -> list[int]:
        """Return each person's number of connections."""
        return [person.connections for person in self.people]

    def ended(self) -> list[str]:
        """Return the ends of all connections and failed attempts."""
        return [reason for person in self.people for reason in person.ended]

    async def hold_to_the_log(self) -> int:
        """Check that all have seqs 1, 2, 3, … with each acknowledged message once.

        Return their number.
        """
        first = self.people[0].events
        log = [Entry(self.room, event["from"]["id"], event["text"], event["seq"]) for event in first]
        texts = {event["seq"]: event["text"] for event in first}
        faults = list(log_faults(self.room, log))
        acknowledged = []
        for person in self.people:
            received = [(event["seq"], event["text"]) for event in person.events]
            faults += view_faults(person.account.name, self.room, received, texts)
            for key, seq in person.acknowledged.items():
                acknowledged.append(Entry(self.room, person.account.id, f"text of {key}", seq))
        faults += acknowledgement_faults(acknowledged, log)
        assert not faults, "\n".join(faults)
        assert len(acknowledged) == len(texts) > 0
        return len(acknowledged)

    async def _settle(self) -> None:
        """Stop writing; wait until all messages are acknowledged and received."""
        self._asking = False
        for person in self.people:
            person.stop_writing()
        writers = [person for person in self.people if person.writes]
        await _wait_until(lambda: all(person.idle for person in writers), _CATCH_UP_S, "the last replies")
        head = max(seq for person in writers for seq in person.acknowledged.values())
        await _wait_until(
            lambda: all(len(person.events) >= head for person in self.people), _CATCH_UP_S, f"everybody to have {head} events"
        )

    async def _ask(self, owner: Account) -> None:
        async with httpx.AsyncClient(base_url=self.url, headers=owner.headers, timeout=30) as http:
            questions: list[Callable[[], Awaitable[httpx.Response]]] = [
                lambda: http.get(f"/api/rooms/{self.room}/messages?limit=5"),
                lambda: http.post("/api/tickets", json={}),
                lambda: http.get("/accounts/sign-in/"),
                lambda: http.get("/healthz"),
            ]
            for question in itertools.cycle(questions):
                if not self._asking:
                    return
                self.requests += 1
                try:
                    answer = await question()
                    if not answer.is_success:
                        self.failed_requests.append(
                            f"{answer.request.method} {answer.url.path} {answer.status_code} {answer.text[:200]}"
                        )
                except httpx.TransportError as error:
                    self.failed_requests.append(f"{type(error).__name__}: {error}")
                await asyncio.sleep(_ASK_EVERY_S * random.uniform(0.5, 1.5))


async def _wait_until(reached: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = monotonic() + seconds
    while not reached():
        assert monotonic() < deadline, f"waited {seconds} s for {what}"
        await asyncio.sleep(0.05)
