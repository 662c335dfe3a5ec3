"""A refusal leaves a log line with its setting.

A flood of refusals leaves a few lines.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from core import refusals, state
from core.refusals import LONGEST, VALUES, note_refusal, shown
from realtime.consumer import consume
from tests.conftest import StartServer
from tests.support.api import anonymous, session_cookie, signed_in
from tests.support.chat_client import sign_up
from tests.support.plain_socket import PlainSocket

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    refusals._windows.clear()
    yield
    refusals._windows.clear()


def test_refusal_names_kind_value_and_setting_once() -> None:
    with capture_logs() as lines:
        for _ in range(100):
            note_refusal("host", "evil.example", "PUBLIC_URL")
    (line,) = lines
    assert {name: line[name] for name in ("kind", "value", "setting")} == {
        "kind": "host",
        "value": "evil.example",
        "setting": "PUBLIC_URL",
    }


def test_flood_of_values_leaves_few_lines_and_little_memory() -> None:
    with capture_logs() as lines:
        for number in range(10_000):
            note_refusal("host", f"{number}.example", "PUBLIC_URL")
    assert len(lines) == VALUES
    assert len(refusals._windows["host"].shown) == VALUES


def test_next_window_counts_suppressed_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_logs() as lines:
        for number in range(VALUES + 3):
            note_refusal("host", number, "PUBLIC_URL")
        monkeypatch.setattr(refusals, "WINDOW_S", 0.0)
        note_refusal("host", 0, "PUBLIC_URL")
    assert lines[-1]["unshown"] == "3"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("bücher", "b\\xfccher"),
        ("\u202e", "\\u202e"),
        ("x" * 200, "x" * LONGEST + "…"),
    ],
)
def test_client_value_is_escaped_and_shortened(value: str, text: str) -> None:
    assert shown(value) == text
    assert len(shown("\n" * 10_000)) == LONGEST + 1


async def test_handshake_during_a_drain_names_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "draining", True)
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(answer: dict[str, Any]) -> None:
        answers.append(answer)

    with capture_logs() as lines:
        await consume({"path": "/ws/"}, receive, send)
    assert answers[-1]["code"] == 1012
    assert [(line["kind"], line["setting"]) for line in lines if "kind" in line] == [("drain", "DRAIN_SECONDS")]


@pytest.mark.integration
async def test_each_refusal_of_a_server_is_in_its_log(start_server: StartServer) -> None:
    server = start_server(LIMIT_HANDSHAKES_PER_S="1", LIMIT_SIGNUPS_PER_H="1", WEB_CONCURRENCY="1", LOG_FORMAT="json")
    ada = await sign_up(server.base_url)
    async with httpx.AsyncClient(base_url=server.base_url, timeout=10) as http:
        for _ in range(3):
            assert (await http.get("/", headers={"Host": "evil.example"})).status_code == httpx.codes.BAD_REQUEST
        answer = await http.post("/accounts/sign-in/", headers={"Origin": "http://csrf.example"}, data={"username": "a"})
        assert answer.status_code == httpx.codes.FORBIDDEN
        answer = await http.post("/api/signup", json={"username": "bob", "password": "long enough"})
        assert answer.status_code == httpx.codes.TOO_MANY_REQUESTS
    async with anonymous(server.base_url) as http:
        cookie = session_cookie(await signed_in(http, ada))
    async with PlainSocket(server.ws_url(), headers={"Origin": "http://origin.example", **cookie}) as socket:
        await socket.expect_close(4003)
    for _ in range(6):
        async with PlainSocket(server.ws_url(), headers=ada.headers) as socket:
            pass
    for kind, value, setting in (
        ("host", "evil.example", "PUBLIC_URL"),
        ("csrf", "http://csrf.example", "PUBLIC_URL, ALLOWED_ORIGINS"),
        ("origin", "http://origin.example", "PUBLIC_URL, ALLOWED_ORIGINS"),
        ("sign-up", "127.0.0.1", "LIMIT_SIGNUPS_PER_H"),
        ("handshakes", "127.0.0.1", "LIMIT_HANDSHAKES_PER_S"),
    ):
        lines = [line for line in server.log.splitlines() if f'"kind": "{kind}"' in line]
        assert len(lines) == 1, server.log
        assert f'"value": "{value}' in lines[0]
        assert f'"setting": "{setting}"' in lines[0]
    assert "Traceback" not in server.log
