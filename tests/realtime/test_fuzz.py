"""Any text from a client gets a documented answer, and the socket goes on."""

import asyncio
import json
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.chat_client import Account, create_room, sign_up
from tests.support.plain_socket import PlainSocket
from tests.support.server import Server

pytestmark = pytest.mark.once

TYPES = ["room.join", "room.leave", "message.send", "history", "read", "typing", "ping", "message.edit", "search", "nonsense"]
FIELDS = ["room", "to", "key", "text", "after", "before", "limit", "upto", "target", "emoji", "on", "query", "alias", "id"]
ERRORS = {
    "bad_json",
    "bad_frame",
    "unknown_type",
    "not_a_member",
    "no_such_room",
    "no_such_target",
    "forbidden",
    "too_long",
    "empty",
}
REPLIES = {"room.joined", "ok", "message.sent", "history.page", "pong", "search.results"}
PUSHED = {"message", "presence", "typing", "read", "unread", "room.added", "room.left", "room.updated", "user.updated"}

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
likely = st.sampled_from(["lobby", "", "x", "dm-1-2", 0, 1, -1, 2**53, 2**64, 1.0, None, True, "\0", "\ud800", "k" * 65])
frames = st.fixed_dictionaries({"type": st.sampled_from(TYPES)}) | st.fixed_dictionaries({"type": anything})
framed = st.builds(
    lambda head, rest: json.dumps(head | rest), frames, st.dictionaries(st.sampled_from(FIELDS), likely | anything, max_size=6)
)
broken = st.builds(lambda text, cut, put: text[:cut] + put + text[cut:], framed, st.integers(0, 60), st.text(max_size=3))
texts = framed | broken | st.builds(json.dumps, anything) | st.text(max_size=50)


class Fuzzed:
    """One socket for all examples: each must leave it usable for the next."""

    def __init__(self, server: Server, path: str, account: Account) -> None:
        self.runner = asyncio.Runner()
        self.socket = PlainSocket(server.ws_url(path), headers=account.headers)
        self.runner.run(self.socket.__aenter__())
        self.rounds = 0

    def close(self) -> None:
        self.runner.run(self.socket.__aexit__(None, None, None))
        self.runner.close()

    async def answers(self, text: str, end: str, ended: Callable[[str], bool]) -> list[str]:
        """Return all frames up to the answer to `end`, a valid frame."""
        await self.socket.send(text.encode("utf-8", "replace").decode())
        await self.socket.send(end)
        found: list[str] = []
        while True:
            frame = await self.socket.receive()
            if ended(frame):
                return found
            found.append(frame)


@pytest.fixture(scope="module")
def account(unlimited: Server) -> Account:
    return asyncio.run(sign_up(unlimited.base_url))


@pytest.fixture
def native(unlimited: Server, account: Account) -> Iterator[Fuzzed]:
    fuzzed = Fuzzed(unlimited, "/ws/", account)
    yield fuzzed
    fuzzed.close()


@pytest.fixture
def lines(unlimited: Server, account: Account) -> Iterator[Fuzzed]:
    room = asyncio.run(create_room(unlimited.base_url, account))
    fuzzed = Fuzzed(unlimited, f"/ws/chat/{room}/", account)
    yield fuzzed
    fuzzed.close()


@pytest.fixture
def infra(unlimited: Server, account: Account) -> Iterator[Fuzzed]:
    fuzzed = Fuzzed(unlimited, "/infra/ws", account)
    yield fuzzed
    fuzzed.close()


many = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@many
@given(text=texts)
def test_native_dialect_answers_any_text(native: Fuzzed, text: str) -> None:
    native.rounds += 1
    end = f"end-{native.rounds}"
    found = native.runner.run(
        native.answers(
            text, json.dumps({"type": "ping", "id": end}), lambda frame: frame != "pong" and json.loads(frame).get("re") == end
        )
    )
    for frame in found:
        if frame == "pong":
            assert text == "ping"
            continue
        answer = json.loads(frame)
        if answer["type"] == "error":
            assert set(answer) == {"type", "re", "code", "message"}
            assert answer["code"] in ERRORS
        else:
            assert answer["type"] in REPLIES | PUSHED | {"hello"}


@many
@given(text=texts | st.builds(json.dumps, st.dictionaries(st.sampled_from(["message", "user", "seq"]), anything)))
def test_line_dialect_answers_any_text(lines: Fuzzed, text: str) -> None:
    lines.rounds += 1
    end = f"end-{lines.rounds}"
    for frame in lines.runner.run(lines.answers(text, end, lambda frame: json.loads(frame).get("message") == end)):
        assert set(json.loads(frame)) in ({"message", "user", "seq"}, {"message", "user", "seq", "name"}, {"error", "code"})


envelopes = st.builds(
    lambda content: json.dumps({"type": "demo-message-send", "content": content}),
    anything | st.builds(json.dumps, st.dictionaries(st.sampled_from(["text", "toUserId"]), anything | likely)),
)


@many
@given(text=texts | envelopes)
def test_infra_dialect_answers_any_text(infra: Fuzzed, text: str) -> None:
    if text == "ping":
        return
    for frame in infra.runner.run(infra.answers(text, "ping", lambda frame: frame == "pong")):
        content = json.loads(json.loads(frame)["content"])
        assert set(content) == {"fromUserId", "text", "single"}
