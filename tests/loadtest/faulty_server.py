"""A small real chat server that breaks the promise in its address.

    python tests/loadtest/faulty_server.py --port 8123
    http://127.0.0.1:8123/lose

Each fault has its own server in the same process. It keeps its logs in memory and implements the parts of
protocol.md that a load run uses: POST /api/signup and /api/rooms, hello, room.join, message.send with keys. The tests of
the load generator check that it finds the planted fault and no other. Faults are methods of
`Server`; most strike at the seventh event of a room.
"""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn

Frame = dict[str, Any]
Send = Callable[[Frame], Awaitable[None]]
Receive = Callable[[], Awaitable[Frame]]
GONE = OSError, RuntimeError  # uvicorn's errors for a lost and for an already closed socket
STRIKE = 7  # seq of the event that most faults affect
SHY = 1.5  # seconds during which a returning user's connection is accepted and closed at once
FAULTS = (
    "none", "alter", "misattribute",
    "lose", "lose-own", "duplicate", "swap", "deaf", "deny", "store-twice", "other-seq", "skip-on-resume",
    "forget", "forget-log", "empty-history", "leak", "bad-page", "bad-sent", "garbage",
    "restart", "shy", "crash", "silence", "slow", "stall", "rate-limit", "no-join", "closed", "limited", "unauthorized",
)  # fmt: skip


@dataclass(eq=False)
class Peer:
    """One socket."""

    send: Send
    user: Frame
    sent: int = 0
    deaf: bool = False
    held_back: Frame | None = None

    async def push(self, frame: Frame | str) -> None:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        with suppress(*GONE):  # its own handler finds out
            await self.send({"type": "websocket.send", "text": text})

    async def close(self, code: int) -> None:
        with suppress(*GONE):
            await self.send({"type": "websocket.close", "code": code})


@dataclass
class Room:
    """A log and its listeners."""

    log: list[Frame] = field(default_factory=list)
    keys: dict[tuple[int, str], Frame] = field(default_factory=dict)
    peers: list[Peer] = field(default_factory=list)
    struck: bool = False


class Servers:
    """The ASGI application: the first part of a path selects the server by its fault."""

    def __init__(self) -> None:
        self.servers = {fault: Server(fault) for fault in FAULTS}

    async def __call__(self, scope: Frame, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        fault, _, path = scope["path"].removeprefix("/").partition("/")
        await self.servers[fault](scope | {"path": f"/{path}"}, receive, send)


class Server:
    """A chat server with one fault."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.users: dict[str, Frame] = {}
        self.rooms: dict[str, Room] = {}
        self.lock = asyncio.Lock()
        self.joined: set[int] = set()
        self.returned: dict[int, float] = {}

    async def __call__(self, scope: Frame, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._socket(scope, receive, send)

    # HTTP.

    async def _http(self, scope: Frame, receive: Receive, send: Send) -> None:
        status, body = 200, Frame()
        posted = json.loads((await receive()).get("body") or b"{}")
        if scope["path"] == "/api/signup":
            status, body = self._sign_up(posted)
        elif scope["path"] == "/api/rooms":
            status, body = 409 if posted["slug"] in self.rooms else 201, {"slug": posted["slug"]}
            self.rooms.setdefault(posted["slug"], Room())
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    def _sign_up(self, posted: Frame) -> tuple[int, Frame]:
        refused = {"closed": 403, "limited": 429}.get(self.fault)
        if refused:
            return refused, {"detail": "not today"}
        user = {"id": len(self.users) + 1, "name": posted["username"]}
        token = f"token-{user['id']}"
        self.users[token] = user
        return 201, {"user": user, "token": token}

    # WebSocket.

    async def _socket(self, scope: Frame, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        token = dict(scope["headers"]).get(b"authorization", b"").decode().removeprefix("Token ")
        peer = Peer(send, self.users.get(token, {}))
        if not peer.user or self.fault == "unauthorized":
            await peer.close(4003)
            return
        limits = {"text": 10000, "frame": 262144, "rate": 20}
        await peer.push({"type": "hello", "protocol": 1, "user": peer.user, "heartbeat": 20, "limits": limits})
        if self.fault == "shy" and self._too_early(peer.user["id"]):
            await peer.close(1012)
            return
        try:
            while (message := await receive())["type"] == "websocket.receive":
                frame = json.loads(message["text"])
                if await self._frame(peer, frame) is False:
                    return
        finally:
            for room in self.rooms.values():
                room.peers = [other for other in room.peers if other is not peer]

    def _too_early(self, user: int) -> bool:
        """Return whether this user first reconnected less than SHY seconds ago."""
        now = asyncio.get_running_loop().time()
        return user in self.joined and now - self.returned.setdefault(user, now) < SHY

    async def _frame(self, peer: Peer, frame: Frame) -> bool:
        async with self.lock:
            if frame["type"] == "room.join":
                await self._join(peer, frame)
                return True
            if frame["type"] == "history":
                await peer.push({"type": "history.page", "re": frame["id"], "room": frame["room"]} | self._page(frame))
                return True
            return await self._send(peer, frame)

    def _page(self, frame: Frame) -> Frame:
        first, end = max(0, frame["before"] - 1 - frame["limit"]), frame["before"] - 1
        messages = self.rooms[frame["room"]].log[first:end]
        if self.fault == "bad-page":
            return {"more": False}
        if self.fault == "forget":
            messages = [event for event in messages if event["seq"] % STRIKE]
        return {"messages": [] if self.fault == "empty-history" else messages, "more": first > 0}

    async def _join(self, peer: Peer, frame: Frame) -> None:
        if self.fault == "no-join":
            await _error(peer, frame, "no_such_room")
            return
        room = self.rooms[frame["room"]]
        after = frame.get("after")
        events = room.log[-50:] if after is None else room.log[after : after + 5]
        if self.fault == "skip-on-resume" and after is not None and after >= STRIKE:
            events = events[1:]
        if self.fault == "forget-log":  # pushed and acknowledged, but no page will ever contain it
            events = [event for event in events if event["seq"] != STRIKE]
        more = after is not None and bool(events) and events[-1]["seq"] < len(room.log)
        answer = {"type": "room.joined", "re": frame["id"], "room": frame["room"], "head": len(room.log)}
        people = {"member_count": 1, "online_count": 1, "online": []}
        await peer.push(answer | people | {"events": events, "more": more})
        self.joined.add(peer.user["id"])
        if not more and peer not in room.peers:
            room.peers.append(peer)

    async def _send(self, peer: Peer, frame: Frame) -> bool:
        room = self.rooms[frame["room"]]
        known = room.keys.get((peer.user["id"], frame["key"]))
        if self.fault == "rate-limit":
            await _error(peer, frame, "rate_limited")
            return True
        if self.fault == "slow":
            await asyncio.sleep(0.1)
        if known is None or self.fault == "store-twice":
            event = self._append(room, peer, frame)
            strikes = event["seq"] == STRIKE
            if strikes and self.fault in {"crash", "store-twice"}:
                await self._push(room, event)
                await peer.close(4000 if self.fault == "crash" else 1012)
                return False
            if strikes and self.fault == "stall":
                await asyncio.sleep(2)
            if not (strikes and self.fault == "deny"):
                await self._push(room, event)
        else:
            event = known
        await self._acknowledge(peer, frame, event, duplicate=known is not None)
        if self.fault == "restart" and event["seq"] % STRIKE == 0:
            for other in room.peers:
                await other.close(1012)
        return True

    async def _acknowledge(self, peer: Peer, frame: Frame, event: Frame, *, duplicate: bool) -> None:
        seq = event["seq"] - 1 if self.fault == "other-seq" and event["seq"] == STRIKE else event["seq"]
        if self.fault == "silence" and seq >= STRIKE:
            return
        reply = {"type": "message.sent", "re": frame["id"], "room": frame["room"], "seq": seq, "at": event["at"]}
        if self.fault == "bad-sent" and seq >= STRIKE:
            del reply["seq"]
        await peer.push(reply | {"duplicate": duplicate})
        if self.fault == "garbage" and seq == STRIKE:
            await peer.push("{no JSON")

    def _append(self, room: Room, peer: Peer, frame: Frame) -> Frame:
        event = {"type": "message", "room": frame["room"], "seq": len(room.log) + 1, "from": peer.user,
                 "text": frame["text"], "at": "2025-01-01T00:00:00Z", "edited": False, "deleted": False,
                 "reactions": {}}  # fmt: skip
        room.log.append(event)
        room.keys[peer.user["id"], frame["key"]] = event
        if self.fault == "deny" and event["seq"] == STRIKE:  # acknowledged, but not stored
            room.log.pop()
        return event

    async def _push(self, room: Room, event: Frame) -> None:
        if event["seq"] == STRIKE and self.fault == "alter":
            event["text"] = event["text"][:-1] + "?"
        if event["seq"] == STRIKE and self.fault == "misattribute":
            event["from"] = {**event["from"], "id": event["from"]["id"] + 1}
        author = event["from"]["id"]
        others = [other for other in self.rooms.values() if other is not room] if self.fault == "leak" else []
        for stranger in [peer for other in others for peer in other.peers]:
            await stranger.push(event)
        for peer in list(room.peers):
            own = peer.user["id"] == author
            for each in self._delivered(room, peer, event, own=own):
                await peer.push(each)

    def _delivered(self, room: Room, peer: Peer, event: Frame, *, own: bool) -> list[Frame]:
        """Return one socket's frames for an event, after the fault."""
        if peer.deaf:
            return []
        if peer.held_back is not None:
            late, peer.held_back = peer.held_back, None
            return [event, late]
        aimed = (self.fault == "lose-own") == own
        if event["seq"] < STRIKE or room.struck or not aimed:
            return [event]
        room.struck = True
        if self.fault in {"lose", "lose-own"}:
            return []
        if self.fault == "deaf":
            peer.deaf = True
            return []
        if self.fault == "swap":
            peer.held_back = event
            return []
        return [event, event] if self.fault == "duplicate" else [event]


async def _error(peer: Peer, frame: Frame, code: str) -> None:
    await peer.push({"type": "error", "re": frame["id"], "code": code, "message": "as planted"})


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    uvicorn.run(Servers(), host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
