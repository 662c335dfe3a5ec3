"""Records every frame between real clients and a real server."""

import functools
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection

from tests.docs.contract import Direction


class Frame(NamedTuple):
    channel: str
    direction: Direction
    text: str


class Tape:
    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def connection(self, channel: str) -> Any:
        """Return a `create_connection` for `websockets` that records `channel`."""
        return functools.partial(_Recorded, self, channel)


class _Recorded(ClientConnection):
    def __init__(self, tape: Tape, channel: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tape, self.channel = tape, channel

    async def send(self, message: Any, **options: Any) -> None:
        assert isinstance(message, str), "the contract has text frames only"
        self.tape.frames.append(Frame(self.channel, "receive", message))
        await super().send(message, **options)

    async def recv(self, *args: Any, **options: Any) -> Any:
        data = await super().recv(*args, **options)
        assert isinstance(data, str), f"binary frame {data!r}"
        self.tape.frames.append(Frame(self.channel, "send", data))
        return data
