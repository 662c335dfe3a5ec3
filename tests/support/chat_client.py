"""A client of the native dialect that asserts the protocol's promises.

    ada = await sign_up(server.base_url)                    # Account(id, name, password, token)
    room = await create_room(server.base_url, ada)          # the slug of a new public room
    async with ChatClient(server.ws_url(), ada) as chat:    # connected, `hello` read: chat.hello
        page = await chat.join("lobby")                     # the reply room.joined; after=N resumes
        sent = await chat.send("lobby", "hi")               # the reply message.sent; a fresh key unless key=…
        event = await chat.expect("message", text="hi")     # the next such frame, at most 5 s away
        await chat.expect_nothing("message", seconds=0.3)
        reply = await chat.request("history", room="lobby", before=10, limit=5)

`request` raises Refused (with .code) when the reply is an `error`. `expect` looks through the frames that were not
consumed yet, oldest first, and takes the first that matches. Replies never show up in `expect`: their `re` takes them.
An event out of order, doubled or missing raises OrderError from the next awaited call: see `tests/support/ledger.py`.
"""

import asyncio
import itertools
import json
import secrets
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.ledger import RoomLedger

Frame = dict[str, Any]

_TIMEOUT = 5.0
_RANDOM_BYTES = 9


@dataclass(frozen=True)
class Account:
    """A signed-up user with the token."""

    id: int
    name: str
    password: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers with the token, for HTTP and for the handshake."""
        return {"Authorization": f"Token {self.token}"}


async def sign_up(base_url: str, name: str | None = None) -> Account:
    """Make an account over HTTP, by default with an unused name."""
    name = name or f"user-{secrets.token_hex(6)}"
    # The second half is in no name: of thousands of random ones some are too similar to the name.
    password = secrets.token_urlsafe(_RANDOM_BYTES) + "!?" * 6
    async with httpx.AsyncClient(base_url=base_url, timeout=15) as http:
        answer = await http.post("/api/signup", json={"username": name, "password": password})
    assert answer.status_code == httpx.codes.CREATED, f"sign-up answered {answer.status_code}: {answer.text}"
    body = answer.json()
    return Account(id=body["user"]["id"], name=body["user"]["name"], password=password, token=body["token"])


async def create_room(base_url: str, owner: Account, slug: str | None = None, *, private: bool = False) -> str:
    """Make a room over HTTP and return its slug, by default an unused one."""
    slug = slug or f"room-{secrets.token_hex(6)}"
    body = {"slug": slug, "title": slug, "private": private}
    async with httpx.AsyncClient(base_url=base_url, headers=owner.headers, timeout=15) as http:
        answer = await http.post("/api/rooms", json=body)
    assert answer.status_code == httpx.codes.CREATED, f"making {slug} answered {answer.status_code}: {answer.text}"
    return str(answer.json()["slug"])


class Refused(Exception):
    """The server answered `error`; `code` is one of the protocol's error codes."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(f"{frame['code']}: {frame['message']}")
        self.frame = frame
        self.code: str = frame["code"]


async def code_of(reply: Awaitable[Any]) -> str:
    """Return the code of the refusal, or "" where there is none."""
    try:
        await reply
    except Refused as refused:
        return refused.code
    return ""


class OrderError(AssertionError):
    """A broken promise about a room's log: a gap, a double, or an unexpected event."""


class Closed(ConnectionError):
    """The server closed the socket during a call.

    `code` and `reason` are from its close frame.
    """

    def __init__(self, code: int, reason: str, why: str) -> None:
        super().__init__(f"closed {code} {reason!r} {why}")
        self.code = code
        self.reason = reason


def _hold(faults: list[str]) -> None:
    if faults:
        raise OrderError("; ".join(faults))


@dataclass
class _Waiting:
    """Unanswered requests, and a callback to run before the next frame is read."""

    reply: asyncio.Future[Frame]
    on_reply: Callable[[Frame], None] = field(default=lambda _frame: None)


class ChatClient:
    """One socket of one user, as an async context manager.

    Leaving closes it with 1000.
    """

    def __init__(
        self, url: str, account: Account | None = None, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        """Prepare a socket to `url`.

        `headers` are added to the token's, `options` are websockets.connect's.
        """
        self.url = url
        self.account = account
        self.hello: Frame = {}
        self.ledgers: defaultdict[str, RoomLedger] = defaultdict(RoomLedger)
        self._headers = dict(account.headers if account else {}) | dict(headers or {})
        self._options = {"open_timeout": 15, "close_timeout": 5, "max_size": 2**24} | options
        self._ids = itertools.count(1)
        self._waiting: dict[Any, _Waiting] = {}
        self._frames: deque[Frame] = deque()
        self._arrived = asyncio.Condition()
        self._broken: Exception | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()
        if kind is None and isinstance(self._broken, OrderError):
            raise self._broken

    async def open(self) -> None:
        """Connect and read `hello`; raises Closed when the server refuses."""
        self.socket: ClientConnection = await connect(self.url, additional_headers=self._headers, **self._options)
        self._reader = asyncio.create_task(self._read())
        try:
            self.hello = await self.expect("hello")
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the socket with a close frame."""
        await self.socket.close()
        with suppress(asyncio.CancelledError):
            await self._reader

    def cut(self) -> None:
        """Drop the connection without a close frame, like a lost network."""
        self.socket.transport.abort()

    async def join(self, room: str, after: int | None = None) -> Frame:
        """Join and return the reply: one page.

        See `catch_up` for all pages.
        """
        fields = {"room": room} if after is None else {"room": room, "after": after}
        return await self._ask("room.join", fields, lambda page: _hold(self.ledgers[page["room"]].joined(page, after)))

    async def catch_up(self, room: str, after: int) -> list[Frame]:
        """Join page by page to the last; return all events above `after`."""
        events: list[Frame] = []
        while True:
            page = await self.join(room, after=after + len(events))
            events += page["events"]
            if not page["more"]:
                return events

    async def leave(self, room: str) -> Frame:
        """End this socket's subscription of a room."""
        return await self._ask("room.leave", {"room": room}, lambda _reply: self.ledgers[room].silent())

    async def send(self, room: str, text: str, *, key: str | None = None) -> Frame:
        """Write to a room; return the reply message.sent."""
        return await self.request("message.send", room=room, text=text, key=key or secrets.token_hex(8))

    async def send_to(self, person: int | str, text: str, *, key: str | None = None) -> Frame:
        """Write to a person (id or name); return the reply message.sent."""
        return await self.request("message.send", to=person, text=text, key=key or secrets.token_hex(8))

    async def request(self, type_: str, *, timeout: float = _TIMEOUT, **fields: Any) -> Frame:
        """Send a frame with a fresh id.

        Return its reply or raise Refused, Closed, OrderError, TimeoutError.
        """
        return await self._ask(type_, fields, lambda _reply: None, timeout=timeout)

    async def push(self, type_: str, **fields: Any) -> None:
        """Send a frame without id; read its effects with `expect`."""
        await self.socket.send(json.dumps({"type": type_, **fields}))

    async def push_raw(self, data: str | bytes) -> None:
        """Send any data: text as a text frame, bytes as a binary one."""
        await self.socket.send(data)

    async def expect(self, type_: str, *, timeout: float = _TIMEOUT, **match: Any) -> Frame:
        """Take the oldest pending frame of this type with fields equal to `match`.

        TimeoutError names the others.
        """
        try:
            async with asyncio.timeout(timeout), self._arrived:
                while (frame := self._take(type_, match)) is None:
                    self._raise_if_broken(f"while waiting for {type_}")
                    await self._arrived.wait()
                return frame
        except TimeoutError:
            raise TimeoutError(f"no {type_} {match or ''} within {timeout} s; pending: {list(self._frames)}") from None

    async def expect_nothing(self, type_: str, *, seconds: float = 0.3, **match: Any) -> None:
        """Fail when such a frame is pending now or arrives within `seconds`."""
        with suppress(TimeoutError):
            frame = await self.expect(type_, timeout=seconds, **match)
            raise AssertionError(f"unexpected frame {frame}")

    async def expect_error(self, code: str, *, timeout: float = _TIMEOUT) -> Frame:
        """Take the next `error` without a request of ours, and check its code."""
        frame = await self.expect("error", timeout=timeout)
        assert frame["code"] == code, f"expected {code}, got {frame}"
        return frame

    async def expect_close(self, code: int, *, timeout: float = _TIMEOUT) -> str:
        """Wait for the server to close the socket with this code; return the reason."""
        async with asyncio.timeout(timeout):
            await asyncio.shield(self._reader)
        assert self.socket.close_code == code, f"closed {self.socket.close_code} {self.socket.close_reason!r}, not {code}"
        return self.socket.close_reason or ""

    def pending_frames(self, type_: str | None = None) -> list[Frame]:
        """Return the pending frames (of one type), without taking them."""
        return [frame for frame in self._frames if type_ in (None, frame["type"])]

    async def _ask(self, type_: str, fields: Frame, on_reply: Callable[[Frame], None], *, timeout: float = _TIMEOUT) -> Frame:
        self._raise_if_broken(f"before {type_}")
        number = next(self._ids)
        waiting = self._waiting[number] = _Waiting(asyncio.get_running_loop().create_future(), on_reply)
        try:
            await self.socket.send(json.dumps({"type": type_, "id": number, **fields}))
            async with asyncio.timeout(timeout):
                reply = await waiting.reply
        except ConnectionClosed:
            await self._reader
            self._raise_if_broken(f"while sending {type_}")
            raise
        except TimeoutError:
            raise TimeoutError(f"no reply to {type_} {fields} within {timeout} s; pending: {list(self._frames)}") from None
        finally:
            del self._waiting[number]
            if waiting.reply.done() and not waiting.reply.cancelled():
                waiting.reply.exception()  # the caller may be cancelled: asyncio would warn of an error never retrieved
        if reply["type"] == "error":
            raise Refused(reply)
        return reply

    def _take(self, type_: str, match: Frame) -> Frame | None:
        for frame in self._frames:
            if frame["type"] == type_ and all(frame.get(name) == value for name, value in match.items()):
                self._frames.remove(frame)
                return frame
        return None

    def _raise_if_broken(self, why: str) -> None:
        if isinstance(self._broken, Closed):
            raise Closed(self._broken.code, self._broken.reason, why)
        if self._broken:
            raise self._broken

    async def _read(self) -> None:
        """Read until the socket ends: check each frame's order, then pass the frame on."""
        try:
            async for data in self.socket:
                self._receive(data)
                async with self._arrived:
                    self._arrived.notify_all()
            self._broken = Closed(self.socket.close_code or 1006, self.socket.close_reason or "", "")
        except ConnectionClosed:
            self._broken = Closed(self.socket.close_code or 1006, self.socket.close_reason or "", "")
        except Exception as error:  # noqa: BLE001 - raised again by the next awaited call
            self._broken = error
        await self._wake_all()

    def _receive(self, data: str | bytes) -> None:
        if data == "pong":
            self._frames.append({"type": "pong", "bare": True})
            return
        assert isinstance(data, str), f"binary frame {data!r}"
        frame: Frame = json.loads(data)
        assert isinstance(frame.get("type"), str), f"frame without type {frame}"
        waiting = self._waiting.get(frame.get("re"))
        if waiting is not None and not waiting.reply.done():
            if frame["type"] != "error":
                waiting.on_reply(frame)
            waiting.reply.set_result(frame)
            return
        if "seq" in frame and "re" not in frame:  # an event of any kind
            _hold(self.ledgers[frame["room"]].pushed(frame))
        elif frame["type"] == "gap":
            self.ledgers[frame["room"]].silent()
        self._frames.append(frame)

    async def _wake_all(self) -> None:
        async with self._arrived:
            self._arrived.notify_all()
        for waiting in self._waiting.values():
            if not waiting.reply.done() and self._broken:
                waiting.reply.set_exception(self._broken)
