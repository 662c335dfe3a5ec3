"""Clients of httpx share their TLS context.

A client with its own trust keeps its own.
"""

import ssl

import httpx
import pytest

pytestmark = pytest.mark.once


def test_clients_read_the_authorities_once(monkeypatch: pytest.MonkeyPatch) -> None:
    httpx.Client().close()

    def read(*_arguments: object, **_options: object) -> ssl.SSLContext:
        pytest.fail("the authorities were read again")

    monkeypatch.setattr(ssl, "create_default_context", read)
    httpx.Client().close()


def test_client_with_its_own_trust_uses_that() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with httpx.Client(verify=context) as client:
        assert client._transport._pool._ssl_context is context  # type: ignore[attr-defined]
