"""TLS: two variables switch it on."""

import json
import socket
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.nginx.conftest import StartFront
from tests.nginx.front import Front


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    directory = tmp_path_factory.mktemp("tls")
    certificate, key = directory / "cert.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=30)
    return certificate, key


@pytest.fixture
def front(start_front: StartFront, certificate: tuple[Path, Path]) -> Front:
    """An nginx with TLS."""
    return start_front(TLS_CERTIFICATE=str(certificate[0]), TLS_KEY=str(certificate[1]))


@pytest.fixture
def trust(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """A client that trusts the certificate."""
    return ssl.create_default_context(cafile=str(certificate[0]))


async def test_pages_and_sockets_over_tls(front: Front, trust: ssl.SSLContext) -> None:
    async with httpx.AsyncClient(verify=trust, timeout=10) as http:
        answer = await http.get(f"https://localhost:{front.tls_port}/api/me")
    assert answer.status_code == 200
    assert ["x-forwarded-proto", "https"] in answer.json()["headers"]
    assert answer.headers.get_list("strict-transport-security") == ["max-age=31536000"]
    async with connect(f"wss://localhost:{front.tls_port}/ws/", ssl=trust) as wire:
        assert ["x-forwarded-proto", "https"] in json.loads(await wire.recv())["headers"]
        await wire.send("hi")
        assert await wire.recv() == "hi"


def test_plain_http_is_redirected_to_https(front: Front) -> None:
    answer = front.get("/chat/lobby/?x=1")
    assert answer.status_code == 308
    assert answer.headers["location"] == f"https://127.0.0.1:{front.tls_port}/chat/lobby/?x=1"
    assert front.get("/nginx-healthz").text == "ok\n"


def test_http2_is_offered_and_old_tls_is_refused(front: Front, trust: ssl.SSLContext) -> None:
    trust.set_alpn_protocols(["h2", "http/1.1"])
    address = ("127.0.0.1", front.tls_port)
    with (
        socket.create_connection(address, timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        assert tls.selected_alpn_protocol() == "h2"
        assert tls.version() == "TLSv1.3"
    old = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{front.tls_port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        input=b"",
        capture_output=True,
        timeout=10,
        check=False,
    )
    assert old.returncode != 0


def test_host_header_arrives_over_http2(front: Front, trust: ssl.SSLContext, certificate: tuple[Path, Path]) -> None:
    url = f"https://localhost:{front.tls_port}/api/me"
    command = ["curl", "--silent", "--http2", "--cacert", str(certificate[0]), "--write-out", "\n%{http_version}", url]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    body, version = answer.stdout.rsplit("\n", 1)
    assert version == "2"
    assert ["host", f"localhost:{front.tls_port}"] in json.loads(body)["headers"]
