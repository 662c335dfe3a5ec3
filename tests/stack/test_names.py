"""nginx resolves the names of replicas without failed requests."""

import asyncio
import json
import secrets
import socketserver
import struct
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from time import monotonic, sleep

import httpx
import pytest

from tests.stack.rolling import docker
from tests.stack.stack import Stack
from tests.support.redis_forms import until as until_true

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

_SECONDS = 8
HEALTHY = "/opt/hubbub/nginx/healthy"


class Names(socketserver.ThreadingUDPServer):
    """A name server that answers every question with `answer()`."""

    daemon_threads = True

    def __init__(self, host: str, answer: Callable[[], list[str]]) -> None:
        self.answer = answer
        super().__init__((host, 0), Question)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Question(socketserver.BaseRequestHandler):
    """Answer a question with A records as in RFC 1035."""

    server: Names

    def handle(self) -> None:
        packet, line = self.request
        addresses = self.server.answer()
        question = packet[12 : packet.index(b"\0", 12) + 5]
        head = packet[:2] + b"\x81\x80" + struct.pack(">HHHH", 1, len(addresses), 0, 0)
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4)
        line.sendto(head + question + b"".join(record + IPv4Address(one).packed for one in addresses), self.client_address)


class Alive(BaseHTTPRequestHandler):
    """The server that always runs."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        """Log nothing: nginx has a log."""


@pytest.fixture
def network() -> Iterator[tuple[str, IPv4Address]]:
    """A Docker network and this machine's address in it."""
    name = f"hubbub-test-{secrets.token_hex(4)}"
    docker("network", "create", name)
    try:
        (found,) = json.loads(docker("network", "inspect", name))
        yield name, IPv4Address(found["IPAM"]["Config"][0]["Gateway"].split("/")[0])
    finally:
        docker("network", "rm", name)


def start(server: socketserver.BaseServer) -> None:
    threading.Thread(target=server.serve_forever, daemon=True).start()


@pytest.mark.drill
async def test_replica_removed_during_a_request_costs_no_request(stack: Stack, network: tuple[str, IPv4Address]) -> None:
    """A connection hangs until nginx gives up.

    The list then has one server, and nginx tries no other.
    """
    name, here = network
    gone = str(here + 200)  # an unused address: a packet to it gets no answer

    def addresses() -> list[str]:
        return [str(here), gone] if int(monotonic() * 2) % 3 == 0 else [str(here)]

    with ThreadingHTTPServer((str(here), 0), Alive) as web, Names(str(here), addresses) as names:
        start(web)
        start(names)
        settings = {"UPSTREAM": f"web.test:{web.server_port}", "RESOLVER": f"{here}:{names.port}", "LIMIT_REQUESTS_PER_S": "0"}
        options = [option for one in settings.items() for option in ("--env", "=".join(one))]
        nginx = docker("run", "--detach", "--network", name, *options, f"{stack.project}-nginx:{stack.project}").strip()
        try:
            (state,) = json.loads(docker("inspect", nginx))
            url = f"http://{state['NetworkSettings']['Networks'][name]['IPAddress']}:8080"
            answers = await ask(url, seconds=_SECONDS)
            log = [json.loads(line) for line in docker("logs", nginx).splitlines() if line.startswith("{")]
        finally:
            docker("rm", "--force", nginx)
            web.shutdown()
            names.shutdown()
    assert set(answers) == {200}, answers
    # The case came up: one try at the missing replica, and then one at a replica of the new list.
    assert [line for line in log if line["upstream"].startswith(f"{gone}:") and " : " in line["upstream"]]


def test_nginx_is_ready_once_it_has_resolved_the_app(stack: Stack, network: tuple[str, IPv4Address]) -> None:
    """nginx resolves names only while it runs, so its first answers would be 503."""
    name, here = network
    known: list[str] = []
    with ThreadingHTTPServer((str(here), 0), Alive) as web, Names(str(here), lambda: known) as names:
        start(web)
        start(names)
        settings = {"UPSTREAM": f"web.test:{web.server_port}", "RESOLVER": f"{here}:{names.port}"}
        options = [option for one in settings.items() for option in ("--env", "=".join(one))]
        nginx = docker("run", "--detach", "--network", name, *options, f"{stack.project}-nginx:{stack.project}").strip()
        try:
            (state,) = json.loads(docker("inspect", nginx))
            url = f"http://{state['NetworkSettings']['Networks'][name]['IPAddress']}:8080"
            with httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=5), timeout=10) as client:

                def until(path: str, status: int) -> None:
                    end = monotonic() + 20
                    while (answer := client.get(path)).status_code != status:
                        assert monotonic() < end, answer.text
                        sleep(0.1)

                def listens() -> bool:
                    with suppress(httpx.TransportError):  # nginx resets connections that came before its workers
                        return client.get("/nginx-healthz").status_code == 200
                    return False

                until_true(listens, within=20, what="nginx does not answer")
                assert client.get("/nginx-readyz").text == "the app's name leads nowhere\n"
                assert not healthy(nginx)
                known.append(str(here))
                until("/nginx-readyz", 200)
                assert client.get("/api/rooms").status_code == 200
                assert healthy(nginx)
                known.clear()
                until("/nginx-readyz", 503)
                assert healthy(nginx), "its honest answer is 503"
                assert docker("inspect", "--format", "{{.Config.Healthcheck.Test}}", nginx).strip() == f"[CMD {HEALTHY}]"
        finally:
            docker("rm", "--force", nginx)
            web.shutdown()
            names.shutdown()


def healthy(nginx: str) -> bool:
    """Return whether the container's health check passes now."""
    return subprocess.run(["docker", "exec", nginx, HEALTHY], capture_output=True, timeout=30, check=False).returncode == 0


async def ask(url: str, *, seconds: float) -> Counter[int]:
    """Let twenty clients send GET and POST without a pause.

    Count the answers by status.
    """
    answers: Counter[int] = Counter()
    end = monotonic() + seconds
    transport = httpx.AsyncHTTPTransport(retries=5)  # of connections: nginx may just be starting

    async def one(method: str) -> None:
        while monotonic() < end:
            answers[(await client.request(method, "/api/rooms")).status_code] += 1
            await asyncio.sleep(0.02)

    async with httpx.AsyncClient(base_url=url, transport=transport, timeout=30) as client:
        await asyncio.gather(*[one(method) for method in ("GET", "POST") * 10])
    return answers
