"""Send one Web Push (RFC 8030), encrypted for its browser.

It goes only to an address of the internet, within a hard time limit. HTTP is spoken with h11 over a connection of our own: it
must lead to the address that was checked, and to no other. A client library would look the name up once more, and its limits
count each read alone: a slow service could hold a place for hours.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import ssl
import time
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import h11
from django.conf import settings

from features.notifications import vapid
from features.notifications.endpoints import is_loopback, is_public

# For the whole of a request, the look-up of the name included.
LIMIT_S = 10.0
ANSWER_BYTES = 16_384
# A push service keeps a message that long for a device that is off.
TTL_S = 86_400
# Push services refuse more than 4,096 bytes, encryption included.
MOST_BYTES = 3_000
# Signed for twelve hours and used for six: an origin's requests share a signature.
SIGNED_S, USED_S = 43_200, 21_600
MOST_ORIGINS = 1_000
REFUSED_UNTIL = 500


class Result(StrEnum):
    SENT = "sent"
    # The subscription has ended: 404 or 410, or keys that are none.
    GONE = "gone"
    # To be tried again: 429, 5xx, or no answer.
    LATER = "later"
    # Any other answer, or an address of an internal network.
    REFUSED = "refused"


class Subscription(NamedTuple):
    endpoint: str
    p256dh: str
    auth: str


class PushResult(NamedTuple):
    result: Result
    detail: str
    # Seconds, where the service said it.
    retry_after: float = 0.0


class Internal(Exception):
    """The endpoint's name leads into an internal network."""


async def send(to: Subscription, payload: dict[str, Any], *, topic: str, urgent: bool) -> PushResult:
    """Send a payload of at most MOST_BYTES as JSON.

    Raises nothing that a service or a device can cause.
    """
    try:
        body = encrypted(to, payload)
    except ValueError:
        return PushResult(Result.GONE, "the keys are none")
    parts = urlsplit(to.endpoint)
    try:
        headers = _signature(f"{parts.scheme}://{parts.netloc}")
        async with asyncio.timeout(LIMIT_S):
            return await _post(to.endpoint, body, {**headers, **_headers(topic, urgent)})
    except ValueError:
        return PushResult(Result.REFUSED, "the address cannot be signed")
    except Internal:
        return PushResult(Result.REFUSED, "the name leads into an internal network")
    except (OSError, TimeoutError, h11.ProtocolError, EOFError) as error:
        return PushResult(Result.LATER, type(error).__name__)


def encrypted(to: Subscription, payload: dict[str, Any]) -> bytes:
    """Encrypt a payload.

    Raises ValueError for keys that are none, OverflowError for a payload above MOST_BYTES.
    """
    from features.notifications.encryption import encrypt  # noqa: PLC0415  # only a process that sends needs the cryptography

    data = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    if len(data) > MOST_BYTES:
        raise OverflowError(f"a push has at most {MOST_BYTES} bytes, not {len(data)}")
    return encrypt(data, p256dh=vapid.decoded(to.p256dh), auth=vapid.decoded(to.auth))


def topic_of(name: str) -> str:
    """Return the topic by which a newer push replaces an undelivered one.

    A topic has at most 32 characters.
    """
    return vapid.encoded(hashlib.sha256(name.encode()).digest())[:32]


def _headers(topic: str, urgent: bool) -> dict[str, str]:
    return {
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(TTL_S),
        "Topic": topic,
        "Urgency": "high" if urgent else "normal",
    }


_signed: dict[tuple[str, str], tuple[float, dict[str, str]]] = {}


def _signature(origin: str) -> dict[str, str]:
    key, now = (origin, vapid.public_key() or ""), time.time()
    until, found = _signed.get(key, (0.0, dict[str, str]()))
    if until < now:
        if len(_signed) > MOST_ORIGINS:
            _signed.clear()
        found = vapid.headers(origin, int(now) + SIGNED_S)
        _signed[key] = (now + USED_S, found)
    return found


async def _post(endpoint: str, body: bytes, headers: dict[str, str]) -> PushResult:
    parts = urlsplit(endpoint)
    host, secure = str(parts.hostname), parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    address = await _address_of(host, port)
    tls, name = (_context(), host) if secure else (None, None)
    reader, writer = await asyncio.open_connection(address, port, limit=ANSWER_BYTES, ssl=tls, server_hostname=name)
    try:
        return await _exchange(reader, writer, parts.netloc, endpoint[len(f"{parts.scheme}://{parts.netloc}") :], body, headers)
    finally:
        writer.close()


async def _address_of(host: str, port: int) -> str:
    """Return an address of a name.

    Raises Internal if any of its addresses is not one of the internet, OSError for no name.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in found]
    if not addresses:
        raise OSError("the name has no address")
    for address in addresses:
        if not is_public(address) and not (settings.PUSH_LOOPBACK and is_loopback(host)):
            raise Internal
    return addresses[0]


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, netloc: str, target: str, body: bytes, headers: dict[str, str]
) -> PushResult:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=ANSWER_BYTES)
    sent = [("Host", netloc), ("Content-Length", str(len(body))), ("Connection", "close"), *headers.items()]
    request = h11.Request(method="POST", target=target or "/", headers=sent)
    parts = (connection.send(request), connection.send(h11.Data(data=body)), connection.send(h11.EndOfMessage()))
    writer.write(b"".join(part for part in parts if part))
    await writer.drain()
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            return _answer(event)
        if event is h11.NEED_DATA:
            data = await reader.read(ANSWER_BYTES)
            if not data:
                raise EOFError
            connection.receive_data(data)
        elif not isinstance(event, h11.InformationalResponse):
            raise EOFError


def _answer(response: h11.Response) -> PushResult:
    status = response.status_code
    if 200 <= status < 300:
        return PushResult(Result.SENT, str(status))
    if status in {404, 410}:
        return PushResult(Result.GONE, str(status))
    if status in {408, 429} or status >= REFUSED_UNTIL:
        after = dict(response.headers).get(b"retry-after", b"")
        return PushResult(Result.LATER, str(status), float(after) if after.isdigit() and len(after) < 6 else 0.0)
    return PushResult(Result.REFUSED, str(status))


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
