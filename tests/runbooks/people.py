"""Whoever uses the stack while an operator works."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.exceptions import ConnectionClosed

from tests.stack.stack import Stack
from tests.support.chat_client import Account, ChatClient, Closed, Refused, sign_up


async def talk(stack: Stack) -> None:
    """Two new people write to each other in the lobby."""
    ada, bob = await sign_up(stack.url), await sign_up(stack.url)
    async with ChatClient(stack.ws("/ws/"), ada) as here, ChatClient(stack.ws("/ws/"), bob) as there:
        await here.join("lobby")
        await there.join("lobby")
        sent = await here.send("lobby", "to everybody")
        await there.expect("message", seq=sent["seq"])


class Writer:
    """A person who writes all the time and comes back after each disconnect.

    A message is sent again with the same key.
    """

    def __init__(self, stack: Stack, account: Account, room: str) -> None:
        self.stack, self.account, self.room = stack, account, room
        self.acknowledged: dict[int, str] = {}
        self.number = 0
        self.goes_on = asyncio.Event()

    async def write(self) -> None:
        while True:
            try:
                async with ChatClient(self.stack.ws("/ws/"), self.account) as chat:
                    await chat.join(self.room)
                    while True:
                        text = f"message {self.number}"
                        sent = await chat.send(self.room, text, key=f"key-{self.number}")
                        self.acknowledged[sent["seq"]] = text
                        self.number += 1
                        self.goes_on.set()
                        await asyncio.sleep(0.05)
            except (OSError, TimeoutError, ConnectionClosed, Closed, Refused):
                await asyncio.sleep(0.3)
            except Exception as error:  # a handshake refused by nginx has many forms
                if "HTTP" not in str(error):
                    raise
                await asyncio.sleep(0.3)


@asynccontextmanager
async def writing(stack: Stack, room: str = "lobby") -> AsyncIterator[Writer]:
    """Have a person write meanwhile, and check the log afterwards.

    Every acknowledged message must be in the log, in its place.
    """
    writer = Writer(stack, await sign_up(stack.url), room)
    task = asyncio.create_task(writer.write())
    try:
        yield writer
        writer.goes_on.clear()
        async with asyncio.timeout(30):
            await writer.goes_on.wait()
    finally:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(ended, asyncio.CancelledError), ended
    await written(stack, writer)


async def written(stack: Stack, writer: Writer) -> None:
    async with ChatClient(stack.ws("/ws/"), writer.account) as chat:
        events = {event["seq"]: event.get("text") for event in await chat.catch_up(writer.room, 0)}
    missing = {seq: text for seq, text in writer.acknowledged.items() if events.get(seq) != text}
    assert not missing
