"""Changes of the running stack: more servers, settings, TLS, a restart."""

import asyncio
import ssl
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.stack.stack import Stack, tls_files
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.ports import free_port

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def scale(stack: Stack, count: int) -> None:
    answer = stack.compose("up", "--detach", "--no-build", "--no-recreate", "--scale", f"web={count}", timeout=180)
    assert answer.returncode == 0, answer.stderr


def servers(stack: Stack) -> set[str]:
    return {stack.address(container, "edge") + ":8000" for container in stack.containers("web")}


@pytest.mark.drill
async def test_nginx_follows_the_number_of_servers(restored: Stack) -> None:
    stack = restored
    ada = await sign_up(stack.url)
    (nginx,) = stack.containers("nginx")
    two = servers(stack)
    async with httpx.AsyncClient(base_url=stack.url, headers=ada.headers, timeout=15) as client:
        scale(stack, 3)
        (third,) = servers(stack) - two
        deadline = monotonic() + 30
        while third not in {line["upstream"] for line in stack.access_log()}:
            assert monotonic() < deadline, "nginx does not use the third server"
            assert (await client.get("/api/openapi.json")).status_code == 200
            await asyncio.sleep(0.1)
        scale(stack, 2)
        (gone,) = (two | {third}) - servers(stack)
        # Clients must not notice the missing server: nginx tries another and forgets it. The ticket is a POST
        # with a body, which nginx repeats only if no server got it.
        for _ in range(20):
            assert (await client.get("/healthz")).status_code == 200
            ticket = await client.post("/api/tickets", json={})
            assert ticket.status_code == 201
            async with connect(stack.ws(f"/ws/?ticket={ticket.json()['ticket']}"), open_timeout=15) as socket:
                assert '"hello"' in str(await socket.recv())
        await asyncio.sleep(3)
        before = len(stack.access_log())
        for _ in range(10):
            await client.get("/api/openapi.json")
    used = {line["upstream"] for line in stack.access_log()[before:]}
    assert used
    assert gone not in used
    assert stack.containers("nginx")[0]["State"]["StartedAt"] == nginx["State"]["StartedAt"]


@pytest.mark.drill
async def test_a_flood_of_handshakes_is_refused(restored: Stack) -> None:
    stack = restored
    limit = {"LIMIT_HANDSHAKES_PER_S": "2"}
    assert stack.compose("up", "--detach", "--no-build", "--no-deps", "nginx", env=limit).returncode == 0
    stack.wait_ready()
    ada = await sign_up(stack.url)
    refused = opened = 0
    for _ in range(30):
        try:
            async with connect(stack.ws("/ws/"), additional_headers=ada.headers):
                opened += 1
        except InvalidStatus as refusal:
            refused += refusal.response.status_code == httpx.codes.TOO_MANY_REQUESTS
    assert opened >= 4
    assert refused >= 10
    assert opened + refused == 30
    await asyncio.sleep(2)
    async with ChatClient(stack.ws("/ws/"), ada) as chat:
        await chat.join("lobby")


@pytest.mark.drill
def test_two_variables_switch_tls_on(restored: Stack, tmp_path: Path) -> None:
    stack = restored
    port = free_port()
    env = tls_files(tmp_path) | {"HTTPS_PORT": str(port)}
    files = ("--file", "compose.yaml", "--file", "compose.tls.yaml")
    answer = stack.compose(*files, "up", "--detach", "--no-build", "--no-deps", "--wait", "nginx", env=env)
    assert answer.returncode == 0, answer.stderr
    trust = ssl.create_default_context(cafile=env["TLS_CERTIFICATE"])
    secure = httpx.get(f"https://localhost:{port}/healthz", verify=trust, timeout=15)
    assert secure.status_code == 200
    assert secure.headers.get_list("strict-transport-security") == ["max-age=31536000"]
    plain = httpx.get(f"{stack.url}/chat/", timeout=15)
    assert (plain.status_code, plain.headers["location"]) == (308, f"https://127.0.0.1:{port}/chat/")


@pytest.mark.drill
async def test_down_keeps_the_messages(stack: Stack) -> None:
    ada = await sign_up(stack.url)
    room = await create_room(stack.url, ada)
    async with ChatClient(stack.ws("/ws/"), ada) as chat:
        await chat.join(room)
        sent = await chat.send(room, "still here tomorrow")
    answer = stack.script("down")
    assert answer.returncode == 0, answer.stderr
    assert stack.compose("ps", "--all", "--quiet").stdout == ""
    stack.up()
    assert migrated_first(stack)
    async with ChatClient(stack.ws("/ws/"), ada) as chat:
        (message,) = await chat.catch_up(room, after=0)
    assert (message["seq"], message["text"]) == (sent["seq"], "still here tomorrow")


def migrated_first(stack: Stack) -> bool:
    """Return whether the servers of a fresh start began after the migrations."""
    (migrate,) = stack.containers("migrate")
    begun = [container["State"]["StartedAt"] for service in ("web", "worker") for container in stack.containers(service)]
    return all(moment > migrate["State"]["FinishedAt"] for moment in begun)


def test_request_without_servers_is_tried_four_times(alone: Stack) -> None:
    """Each try finds an empty list of servers; unlimited tries would answer 500."""
    for path in ("/chat/", "/api/rooms", "/static/assets/of-no-release.js", "/ws/"):
        answer = httpx.get(alone.url + path, timeout=30)
        assert answer.status_code == 503, path
        tried = [line["upstream"] for line in alone.access_log() if line["path"] == path]
        assert tried or path.startswith("/static/"), "only requests for files are missing from the log"
        assert set(tried[-1:]) <= {"app : app : app : app"}, path


@pytest.fixture
def alone(restored: Stack) -> Stack:
    """The stack with nginx and without any server."""
    assert restored.compose("stop", "web", timeout=120).returncode == 0
    deadline = monotonic() + 30
    while True:
        httpx.get(f"{restored.url}/api/rooms", timeout=30)
        if restored.access_log()[-1]["upstream"].startswith("app"):  # the name no longer resolves
            return restored
        assert monotonic() < deadline, restored.access_log()[-1]
        sleep(0.3)
