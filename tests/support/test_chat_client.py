"""The client of the protocol tests finds each fault it promises to find."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.protocol import State

from tests.support.chat_client import ChatClient, Closed, OrderError, Refused

Frame = dict[str, Any]
HELLO = {"type": "hello", "protocol": 1}


def message(seq: int) -> Frame:
    return {"type": "message", "room": "r", "seq": seq, "text": f"number {seq}"}


def page(head: int, *seqs: int, more: bool = False) -> Frame:
    return {"type": "room.joined", "room": "r", "head": head, "events": [message(seq) for seq in seqs], "more": more}


@asynccontextmanager
async def server_that(*answers: Callable[[Frame], list[Frame | str]] | list[Frame | str]) -> AsyncIterator[str]:
    """Serve the n-th list of frames to a client's n-th frame, filling in `re`.

    Yields the address.
    """

    async def one(socket: ServerConnection) -> None:
        await socket.send(json.dumps(HELLO))
        rounds = iter(answers)
        async for data in socket:
            asked = json.loads(data)
            answer = next(rounds)
            for frame in answer(asked) if callable(answer) else answer:
                if frame == "close":
                    await socket.close(4008, "slow")
                    return
                assert isinstance(frame, dict)
                reply = frame["type"] in {"room.joined", "message.sent", "error"}
                await socket.send(json.dumps(frame | {"re": asked["id"]} if reply else frame))

    async with serve(one, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/"


@pytest.mark.parametrize(
    ("answer", "after", "fault"),
    [
        ([page(2, 1, 2), message(4)], 0, "gap: 4 of r after 2"),
        ([page(2, 1, 2), message(3), message(3)], 0, "doubled or out of order: 3 of r after 3"),
        ([page(2, 1, 2), message(4), message(3)], 0, "gap: 4 of r after 2"),
        ([message(1), page(1, 1)], 0, "which is not live"),
        ([page(3, 1, 2, 3, more=True), message(4)], 0, "which is not live"),
        ([page(2, 1, 2), {"type": "gap", "room": "r", "head": 9}, message(3)], 0, "which is not live"),
        ([page(9, 4, 3)], None, "does not ascend"),
        ([page(2, 2, 3)], None, "above head"),
        ([page(7, 6, 7), message(9)], None, "gap: 9 of r after 7"),
    ],
    ids=["hole", "double", "swapped", "before the join", "before the last page", "after a gap", "page", "head", "fresh page"],
)
async def test_broken_log_fails_the_test(answer: list[Frame | str], after: int | None, fault: str) -> None:
    async with server_that(answer) as url:
        with pytest.raises(OrderError, match=fault):
            async with ChatClient(url) as chat:
                await chat.join("r", after=after)
                await chat.expect("never sent", timeout=2)


@pytest.mark.parametrize("seqs", [(6, 8), (7, 8), (6, 6, 7), (6,)], ids=["hole", "missing first", "double", "short of head"])
async def test_resumed_page_must_continue_the_clients_log(seqs: tuple[int, ...]) -> None:
    async with server_that([page(8, *seqs)]) as url:
        with pytest.raises(OrderError):
            async with ChatClient(url) as chat:
                await chat.join("r", after=5)


async def test_unraised_fault_fails_on_leaving() -> None:
    async with server_that([page(0), message(2)]) as url:
        with pytest.raises(OrderError):
            async with ChatClient(url) as chat:
                await chat.join("r")
                await chat._reader  # the fault ends it


async def test_unbroken_log_of_pages_and_live_events_passes() -> None:
    async with (
        server_that(
            [page(4, 1, 2, more=True)], [page(4, 3, 4), message(5)], [message(6), {"type": "message.sent", "seq": 6}]
        ) as url,
        ChatClient(url) as chat,
    ):
        assert [event["seq"] for event in await chat.catch_up("r", after=0)] == [1, 2, 3, 4]
        assert (await chat.expect("message", seq=5))["text"] == "number 5"
        assert (await chat.send("r", "mine"))["seq"] == 6
        await chat.expect("message", seq=6)


async def test_refusal_and_closed_socket_are_raised() -> None:
    error = {"type": "error", "code": "empty", "message": "text is empty"}
    async with server_that([error], ["close"]) as url, ChatClient(url) as chat:
        with pytest.raises(Refused) as refused:
            await chat.send("r", "")
        assert refused.value.code == "empty"
        with pytest.raises(Closed) as closed:
            await chat.send("r", "more")
        assert closed.value.code == 4008
        assert await chat.expect_close(4008) == "slow"


async def test_unexpected_frame_fails_the_test() -> None:
    async with server_that([page(0), message(1)]) as url, ChatClient(url) as chat:
        await chat.join("r")
        await chat.expect_nothing("presence", seconds=0.1)
        with pytest.raises(AssertionError, match="unexpected frame"):
            await chat.expect_nothing("message", seconds=1)


async def test_request_on_a_closing_socket_causes_no_warning() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    async with server_that(["close"]) as url, ChatClient(url) as chat:
        await chat.push("bye")
        while chat.socket.state is State.OPEN:  # noqa: ASYNC110
            await asyncio.sleep(0)  # until the close frame is read, and no longer
        with pytest.raises(Closed):
            await chat.request("message.send")  # can no longer be sent; two calls raise the error
        gc.collect()
    assert complaints == []
