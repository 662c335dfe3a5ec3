"""A person without a browser, who prepares rooms and messages for a test."""

import itertools
import json
import secrets
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import httpx
from websockets.sync.client import connect

_TIMEOUT = 15
# Frames on their way at once.
_BURST = 100


class Bot:
    """Signs up over HTTP and writes over the native dialect; use as a context manager."""

    def __init__(self, base_url: str, name: str | None = None) -> None:
        self.name = name or f"bot-{secrets.token_hex(4)}"
        self._exits = ExitStack()
        self._http = self._exits.enter_context(httpx.Client(base_url=base_url, timeout=_TIMEOUT))
        answer = self._http.post("/api/signup", json={"username": self.name, "password": secrets.token_urlsafe(12)})
        answer.raise_for_status()
        self.id: int = answer.json()["user"]["id"]
        self.token: str = answer.json()["token"]
        self._http.headers["Authorization"] = f"Token {self.token}"
        address = base_url.replace("http", "ws", 1) + "/ws/"
        headers = {"Authorization": self._http.headers["Authorization"]}
        line = connect(address, additional_headers=headers, open_timeout=_TIMEOUT, max_size=None)
        self._socket = self._exits.enter_context(line)
        self._ids = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._exits.close()

    def make_room(self, title: str, *, private: bool = False, slug: str | None = None) -> str:
        """Make a room and return its slug."""
        slug = slug or f"{title.lower().replace(' ', '-')}-{secrets.token_hex(3)}"
        self._http.post("/api/rooms", json={"slug": slug, "title": title, "private": private}).raise_for_status()
        return slug

    def invite(self, room: str, name: str) -> None:
        """Add a member."""
        self._http.post(f"/api/rooms/{room}/members", json={"user": name}).raise_for_status()

    def retitle(self, room: str, title: str) -> None:
        self._http.patch(f"/api/rooms/{room}", json={"title": title}).raise_for_status()

    def remove(self, room: str, name: str) -> None:
        """Take a member out of a room."""
        members = self._http.get(f"/api/rooms/{room}/members").raise_for_status().json()["members"]
        (user,) = [member["id"] for member in members if member["name"] == name]
        self._http.delete(f"/api/rooms/{room}/members/{user}").raise_for_status()

    def people(self, query: str) -> list[str]:
        """Return the names of people whose name contains the query, ordered by id."""
        found: list[dict[str, Any]] = []
        after: str | None = ""
        while after is not None:
            page = self._http.get("/api/users", params={"query": query, "after": after, "limit": 100}).raise_for_status().json()
            found += page["users"]
            after = page["next"]
        return [person["name"] for person in sorted(found, key=lambda person: int(person["id"]))]

    def role_of(self, room: str, name: str) -> str | None:
        """Return a person's role in a room, None without a membership."""
        answer = self._http.get(f"/api/rooms/{room}/members", params={"query": name}).raise_for_status()
        return next((member["role"] for member in answer.json()["members"] if member["name"] == name), None)

    def join(self, room: str) -> None:
        self._ask(type="room.join", room=room)

    def say(self, room: str, *texts: str) -> None:
        """Write messages, each committed before the next."""
        for text in texts:
            self._ask(type="message.send", room=room, key=secrets.token_hex(8), text=text)

    def fill(self, room: str, count: int) -> None:
        """Write `message 1` to `message COUNT`, many at a time."""
        for first in range(1, count + 1, _BURST):
            numbers = range(first, min(first + _BURST, count + 1))
            for number in numbers:
                frame = {"type": "message.send", "room": room, "key": secrets.token_hex(8), "text": f"message {number}"}
                self._socket.send(json.dumps(frame | {"id": next(self._ids)}))
            for _ in numbers:
                self._stored()

    def _stored(self) -> None:
        while True:
            reply: dict[str, Any] = json.loads(self._socket.recv(timeout=_TIMEOUT))
            assert reply["type"] != "error", reply
            if reply["type"] == "message.sent":
                return

    def frame(self, kind: str, room: str, **fields: Any) -> dict[str, Any]:
        """Send a frame of a feature and return its reply."""
        return self._ask(type=kind, room=room, **fields)

    def tell(self, kind: str, room: str) -> None:
        """Send a frame that is not answered."""
        self._socket.send(json.dumps({"type": kind, "room": room}))

    def write_to(self, name: str, text: str) -> None:
        """Write to one person directly."""
        self._ask(type="message.send", to=name, key=secrets.token_hex(8), text=text)

    def messages(self, room: str) -> list[dict[str, Any]]:
        """Return the latest messages of a room, oldest first, at most 200."""
        return list(self._http.get(f"/api/rooms/{room}/messages", params={"limit": 200}).raise_for_status().json()["messages"])

    def _ask(self, **frame: Any) -> dict[str, Any]:
        number = next(self._ids)
        self._socket.send(json.dumps(frame | {"id": number}))
        while True:
            reply: dict[str, Any] = json.loads(self._socket.recv(timeout=_TIMEOUT))
            if reply.get("re") == number:
                assert reply["type"] != "error", reply
                return reply
