"""Chats through the whole stack, across replicas and through nginx."""

import asyncio
import re
from contextlib import AsyncExitStack, suppress
from time import monotonic

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.stack.stack import SERVICES, Stack
from tests.support.chat_client import ChatClient, create_room, sign_up

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


async def test_message_through_one_replica_reaches_the_other(stack: Stack) -> None:
    one, other = (stack.address(container, "edge") for container in stack.containers("web"))
    assert one != other
    ada, grace = await sign_up(stack.url), await sign_up(stack.url)
    room = await create_room(stack.url, ada)
    async with ChatClient(f"ws://{one}:8000/ws/", ada) as a, ChatClient(f"ws://{other}:8000/ws/", grace) as b:
        await a.join(room)
        await b.join(room)
        for speaker, listener, text in ((a, b, "from one"), (b, a, "from the other")):
            sent = await speaker.send(room, text)
            event = await listener.expect("message", text=text)
            assert (event["seq"], event["room"]) == (sent["seq"], room)
        direct = await a.send_to(grace.id, "for you")
        assert (await b.expect("unread", room=direct["room"]))["head"] == direct["seq"]


async def test_sockets_through_nginx_are_spread_over_the_replicas(stack: Stack) -> None:
    addresses = {stack.address(container, "edge") + ":8000" for container in stack.containers("web")}
    people = [await sign_up(stack.url) for _ in range(4)]
    room = await create_room(stack.url, people[0])
    before = len(stack.access_log())
    async with AsyncExitStack() as exits:
        sockets = [await exits.enter_async_context(ChatClient(stack.ws("/ws/"), one)) for one in people]
        for socket in sockets:
            await socket.join(room)
        sent = await sockets[0].send(room, "everybody")
        for socket in sockets:
            assert (await socket.expect("message"))["seq"] == sent["seq"]
    served = [line["upstream"] for line in stack.access_log()[before:] if line["path"] == "/ws/"]
    assert len(served) == 4
    assert set(served) == addresses


@pytest.mark.parametrize("path", ["/ws/chat/{room}/", "/chat/{room}/", "/chat/{room}"])
async def test_room_socket_works_at_the_path_of_its_page(stack: Stack, path: str) -> None:
    ada = await sign_up(stack.url)
    room = await create_room(stack.url, ada)
    async with connect(stack.ws(path.format(room=room)), additional_headers=ada.headers) as socket:
        await socket.send('{"message": "hi"}')
        assert f'"user":"{ada.name}"' in str(await socket.recv()).replace(" ", "")


async def test_pages_load_with_all_their_files(stack: Stack) -> None:
    async with httpx.AsyncClient(base_url=stack.url, timeout=15, follow_redirects=True) as http:
        page = await http.get("/accounts/sign-up/")
        assert page.status_code == 200
        assert len(page.headers.get_list("content-security-policy")) == 1
        assert "unsafe" not in page.headers["content-security-policy"]
        named = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
        assert any(name.endswith(".js") for name in named)
        for name in named:
            answer = await http.get(name)
            assert answer.status_code == 200, name
            if name.startswith("/static/assets/"):
                assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert {line["upstream"] for line in stack.access_log() if line["path"] in named} <= {""}


def test_scripts_are_sent_compressed_from_the_build(stack: Stack) -> None:
    script = stack.exec("nginx", "sh", "-c", "cd /usr/share/nginx/hubbub && ls -S static/assets/*.js | head -1").stdout.strip()
    answer = httpx.get(f"{stack.url}/{script}", headers={"Accept-Encoding": "gzip"}, timeout=15)
    assert answer.headers["content-encoding"] == "gzip"
    size = stack.exec("nginx", "stat", "--format=%s", f"/usr/share/nginx/hubbub/{script}.gz").stdout
    assert int(answer.headers["content-length"]) == int(size)


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "//metrics", "/%6detrics"])
def test_metrics_are_not_published(stack: Stack, path: str) -> None:
    assert httpx.get(stack.url + path, timeout=15).status_code == 404
    inside = stack.address(stack.containers("web")[0], "edge")
    assert httpx.get(f"http://{inside}:8000/metrics", timeout=15).text.startswith("# HELP")


def throttled(url: str, **headers: str) -> bool:
    """Guess a password from one address with changing claims.

    Return whether it was refused.

    Ten guesses a minute are allowed: of 22 in a row, at least eleven fall into one minute.
    """
    codes = []
    with httpx.Client(timeout=30, headers=headers) as http:
        for guess in range(22):
            claimed = {"X-Forwarded-For": f"203.0.113.{guess}", "X-Real-IP": f"203.0.113.{guess}"}
            body = {"username": "nobody-here", "password": "wrong"}
            codes.append(http.post(f"{url}/api/session", json=body, headers=claimed).status_code)
    assert set(codes) <= {401, 429}
    return 429 in codes


def test_a_client_cannot_choose_its_address(stack: Stack) -> None:
    assert throttled(stack.url)
    assert not [line for line in stack.access_log() if line["remote"].startswith("203.0.113.")]


def test_servers_trust_the_address_from_nginx(stack: Stack) -> None:
    # From a Docker address like nginx's own: each claim is another client.
    inside = stack.address(stack.containers("web")[0], "edge")
    assert not throttled(f"http://{inside}:8000", Host=f"127.0.0.1:{stack.port}")


async def test_no_secret_reaches_a_log(stack: Stack) -> None:
    ada = await sign_up(stack.url)
    async with httpx.AsyncClient(base_url=stack.url, headers=ada.headers, timeout=15) as http:
        ticket = (await http.post("/api/tickets")).json()["ticket"]
        used = (await http.post("/api/tickets")).json()["ticket"]
    wrong = "wrong-token-5b1c2d3e"
    for query in (f"token={ada.token}", f"ticket={ticket}", f"ticket={used}", f"ticket={used}", f"token={wrong}"):
        for path in ("/ws/", "/infra/ws", "/ws/chat/lobby/", "/chat/lobby/"):
            async with connect(f"{stack.ws(path)}?{query}") as socket:
                with suppress(ConnectionClosed):  # used tickets, and the wrong token
                    await socket.send("ping")
    async with httpx.AsyncClient(base_url=stack.url, timeout=15) as http:
        await http.get(f"/ws/?token={ada.token}")
        await http.get(f"/chat/lobby/?ticket={used}", headers={"Referer": f"{stack.url}/?token={ada.token}"})
        await http.get("/the-last-one")
    env = dict(re.findall(r"^([A-Z_]+)=(.*)$", (stack.directory / ".env").read_text(), re.MULTILINE))
    secrets = [ada.token, ada.password, ticket, used, wrong, *env.values()]
    deadline = monotonic() + 10
    while "/the-last-one" not in {line["path"] for line in stack.access_log()}:
        assert monotonic() < deadline
        await asyncio.sleep(0.1)
    for service in SERVICES:
        log = stack.logs(service)
        assert not [secret for secret in secrets if secret in log], service
        assert log, service
