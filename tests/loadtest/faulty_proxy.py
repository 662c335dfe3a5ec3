"""A proxy that breaks one promise of a feature, which the address names.

    python tests/loadtest/faulty_proxy.py --port 8123 --to http://127.0.0.1:8000
    http://127.0.0.1:8123/hide-places

Frames and calls pass unchanged but for the fault. `none` breaks nothing.
"""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

Frame = dict[str, Any]
Send = Callable[[Frame], Awaitable[None]]
Receive = Callable[[], Awaitable[Frame]]
GONE = OSError, RuntimeError
STRIKE = 4  # which of the frames in question a fault affects, and all behind it


class Fault:
    """Frames on their way, of one connection.

    `None`: the frame goes no further.
    """

    def __init__(self) -> None:
        self.seen = 0

    def strikes(self) -> bool:
        self.seen += 1
        return self.seen >= STRIKE

    def inwards(self, frame: Frame) -> tuple[Frame | None, Frame | None]:
        """Return the frames for the server, and the immediate answers to the client."""
        return frame, None

    def outwards(self, frame: Frame) -> list[Frame]:
        return [frame]


class Hidden(Fault):
    """Values of a topic do not arrive any more."""

    topic = ""

    def outwards(self, frame: Frame) -> list[Frame]:
        return [] if frame["type"] == "live" and frame["topic"] == self.topic and self.strikes() else [frame]


class HidePlaces(Hidden):
    topic = "location"


class MovePlaces(Fault):
    """A place is another person's."""

    def outwards(self, frame: Frame) -> list[Frame]:
        if frame["type"] == "live" and frame["topic"] == "location" and self.strikes():
            for one in frame["values"]:
                if one["value"] is not None:
                    one["value"]["latitude"] += 1
        return [frame]


class HideValues(Hidden):
    topic = "sensor"


class LoseReadings(Fault):
    """A reading is acknowledged, and was never stored."""

    def inwards(self, frame: Frame) -> tuple[Frame | None, Frame | None]:
        if frame["type"] == "sensor.push" and self.strikes():
            frame["readings"].pop(0)
        return frame, None

    def outwards(self, frame: Frame) -> list[Frame]:
        if "accepted" in frame:
            frame["accepted"] = 5
        return [frame]


class SwallowEdits(Fault):
    """An edit is acknowledged and lost."""

    def inwards(self, frame: Frame) -> tuple[Frame | None, Frame | None]:
        if frame["type"] == "note.update" and self.strikes():
            return None, {"type": "ok", "re": frame["id"]}
        return frame, None


class HideEdits(Fault):
    """An edit is stored, and is not pushed."""

    def outwards(self, frame: Frame) -> list[Frame]:
        return [] if frame["type"] == "note.update" and self.strikes() else [frame]


class TellAnswers(Fault):
    """A question says its right answer while it is open."""

    def outwards(self, frame: Frame) -> list[Frame]:
        state = frame.get("state", {})
        if frame["type"] == "quiz.asked" and state.get("phase") == "asked":
            state["question"]["right"] = 1
        return [frame]


class Miscount(Fault):
    """A poll counts a vote that no user gave."""

    def outwards(self, frame: Frame) -> list[Frame]:
        if frame["type"] == "poll.voted" and self.strikes():
            frame["state"]["tally"][0] += 1
        return [frame]


class LoseMessage(Fault):
    """One message is not pushed."""

    def outwards(self, frame: Frame) -> list[Frame]:
        if frame["type"] == "message":
            self.seen += 1
        return [] if frame["type"] == "message" and self.seen == STRIKE else [frame]


FAULTS: dict[str, type[Fault]] = {
    "none": Fault,
    "hide-places": HidePlaces,
    "move-places": MovePlaces,
    "hide-values": HideValues,
    "lose-readings": LoseReadings,
    "swallow-edits": SwallowEdits,
    "hide-edits": HideEdits,
    "tell-answers": TellAnswers,
    "miscount": Miscount,
    "lose-message": LoseMessage,
}


class Proxy:
    def __init__(self, to: str) -> None:
        self.to = to.rstrip("/")
        self.http = httpx.AsyncClient(base_url=self.to, timeout=None)

    async def __call__(self, scope: Frame, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        name, _, path = scope["path"].removeprefix("/").partition("/")
        query = scope["query_string"].decode()
        target = f"/{path}" + (f"?{query}" if query else "")
        if scope["type"] == "http":
            await self._http(FAULTS[name](), scope, target, receive, send)
        else:
            await self._socket(FAULTS[name](), scope, target, receive, send)

    async def _http(self, fault: Fault, scope: Frame, target: str, receive: Receive, send: Send) -> None:
        body = b""
        while (part := await receive())["type"] == "http.request":
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        dropped = {b"host", b"connection", b"accept-encoding", b"transfer-encoding"}
        headers = [(key, value) for key, value in scope["headers"] if key not in dropped]
        async with self.http.stream(scope["method"], target, content=body, headers=headers) as answer:
            kept = [(key, value) for key, value in answer.headers.raw if key.lower() not in {b"connection", b"transfer-encoding"}]
            await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
            streams = answer.headers.get("content-type", "").startswith("text/event-stream")
            gone = asyncio.ensure_future(receive()) if streams else None
            lines = answer.aiter_lines() if streams else answer.aiter_raw()
            with suppress(*GONE, httpx.HTTPError):
                async for line in lines:
                    if gone is not None and gone.done():
                        break
                    data = line if isinstance(line, bytes) else _line(fault, line)
                    if data is not None:
                        await send({"type": "http.response.body", "body": data, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            if gone is not None:
                gone.cancel()

    async def _socket(self, fault: Fault, scope: Frame, target: str, receive: Receive, send: Send) -> None:
        await receive()
        headers = {name.decode(): value.decode() for name, value in scope["headers"] if name == b"authorization"}
        async with connect(f"ws{self.to.removeprefix('http')}{target}", additional_headers=headers, max_size=None) as server:
            await send({"type": "websocket.accept"})
            back = asyncio.create_task(_outwards(fault, server, send))
            try:
                while (message := await receive())["type"] == "websocket.receive":
                    await _inwards(fault, message["text"], server, send)
            except ConnectionClosed:
                await back
            finally:
                back.cancel()


def _line(fault: Fault, line: str) -> bytes | None:
    """Return a line of an event stream after the fault; None if its frame is dropped."""
    if line.startswith('data: {"type"'):
        frames = fault.outwards(json.loads(line.removeprefix("data: ")))
        return f"data: {json.dumps(frames[0])}\n".encode() if frames else None
    return f"{line}\n".encode()


async def _inwards(fault: Fault, text: str, server: ClientConnection, send: Send) -> None:
    if text == "ping":
        await server.send(text)
        return
    frame, answer = fault.inwards(json.loads(text))
    if frame is not None:
        await server.send(json.dumps(frame))
    if answer is not None:
        await send({"type": "websocket.send", "text": json.dumps(answer)})


async def _outwards(fault: Fault, server: ClientConnection, send: Send) -> None:
    with suppress(*GONE):
        try:
            async for text in server:
                for frame in [text] if text == "pong" else map(json.dumps, fault.outwards(json.loads(text))):
                    await send({"type": "websocket.send", "text": frame})
        except ConnectionClosed:
            pass
        await send({"type": "websocket.close", "code": server.close_code or 1011})


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--to", required=True)
    given = parser.parse_args()
    uvicorn.run(Proxy(given.to), host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
