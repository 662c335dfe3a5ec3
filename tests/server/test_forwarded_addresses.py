"""The client's address, as a trusted proxy forwards it."""

import secrets

import httpx
import pytest

from tests.conftest import StartServer

pytestmark = pytest.mark.once


@pytest.mark.parametrize(("listener", "trusted"), [("127.0.0.1", "127.0.0.1/8"), ("::", "127.0.0.1")])
async def test_clients_behind_a_trusted_proxy_are_told_apart(start_server: StartServer, listener: str, trusted: str) -> None:
    """A listener on :: sees the proxy at ::ffff:127.0.0.1.

    No network of IPv4 contains that address.
    """
    server = start_server(HOST=listener, TRUSTED_PROXIES=trusted, LIMIT_SIGNUPS_PER_H="1", WEB_CONCURRENCY="1")

    async def sign_up(address: str) -> int:
        body = {"username": f"ada-{secrets.token_hex(6)}", "password": "correct horse battery"}
        return (await http.post("/api/signup", json=body, headers={"X-Forwarded-For": address})).status_code

    async with httpx.AsyncClient(base_url=server.base_url, timeout=15) as http:
        assert [await sign_up(f"203.0.113.{number}") for number in (1, 2, 3, 3)] == [201, 201, 201, 429]
