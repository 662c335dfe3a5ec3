"""PUBLIC_URL as a browser meets it: name, certificate, proxy, and a real socket."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import websockets.exceptions
from django.conf import settings
from websockets.sync.client import connect

from ops import echo
from ops.doctor.findings import Finding, Options, failure, first_line, ok, warning

EXPIRES_SOON_S = 14 * 86_400
# Some live for six days: they are renewed at two thirds of that.
EXPIRES_SOON_SHARE = 1 / 4
DEFAULT_PORTS = {"http": 80, "https": 443}
# Nobody has this address: RFC 5737 keeps it for documentation.
FORGED = "203.0.113.7"
UPGRADE = "the proxy must pass WebSocket upgrades (nginx: proxy_http_version 1.1, Upgrade and Connection)"


class Unreachable(Exception):
    """The address cannot be reached from here; says why."""


def link() -> str:
    """Return the address that shows anybody how their own request arrived.

    It is good for some minutes.
    """
    return f"{settings.PUBLIC_URL}{echo.PATH}?token={echo.make_token()}"


def check_public(options: Options) -> Iterator[Finding]:
    public = urlsplit(settings.PUBLIC_URL)
    try:
        yield from _certificate(options)
        plain, own, peer = _ask(options)
    except Unreachable as error:
        yield _unreachable(str(error))
        return
    problems = [*_arrived("address", plain), *_client("address", plain, own, peer)]
    if "host" in plain and not _is_direct(options, own):
        problems += _forged("address", options)
    yield from problems or [ok("address", f"{settings.PUBLIC_URL} leads here; you are {plain['client']} to it")]
    if "host" in plain:
        problems = [*_socket(options)]
        yield from problems or [ok("socket", f"{'wss' if public.scheme == 'https' else 'ws'}://{public.netloc} opens, both ways")]


def _unreachable(why: str) -> Finding:
    if in_pod():
        # Network policies keep web from calling out.
        return warning(
            "address",
            f"a pod may not reach {settings.PUBLIC_URL} ({why})",
            "open what `python app/manage.py doctor --link` prints, from a person's machine: it says what is wrong",
        )
    return failure(
        "address",
        f"{settings.PUBLIC_URL} does not answer from here: {why}",
        "PUBLIC_URL, its DNS, the proxy, HTTP_BIND and HTTP_PORT",
    )


def in_pod() -> bool:
    """Return whether this is a container of Kubernetes.

    Kubernetes writes its name into the file.
    """
    try:
        return Path("/etc/hosts").read_text().startswith("# Kubernetes-managed")
    except OSError:
        return False


# --- the connection


def _target(options: Options) -> tuple[str, int]:
    public = urlsplit(settings.PUBLIC_URL)
    if options.via:
        host, _, port = options.via.rpartition(":")
        return host.strip("[]"), int(port)
    return str(public.hostname), public.port or DEFAULT_PORTS[public.scheme]


def _open(options: Options, *, verify: bool) -> socket.socket:
    """Connect to PUBLIC_URL's server, with TLS if it is https.

    Raises Unreachable, or ssl.SSLCertVerificationError.
    """
    public = urlsplit(settings.PUBLIC_URL)
    try:
        plain = socket.create_connection(_target(options), timeout=options.timeout)
    except OSError as error:
        raise Unreachable(first_line(error)) from error
    if public.scheme == "http":
        return plain
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return context.wrap_socket(plain, server_hostname=public.hostname)
    except ssl.SSLCertVerificationError:
        plain.close()
        raise
    except OSError as error:
        plain.close()
        raise Unreachable(f"TLS fails: {first_line(error)}") from error


def _certificate(options: Options) -> Iterator[Finding]:
    if urlsplit(settings.PUBLIC_URL).scheme == "http":
        return
    change = "TLS_CERTIFICATE and TLS_KEY, or ACME_EMAIL: docs/runbooks/certificate.md"
    try:
        with closing(_open(options, verify=True)) as connection:
            found: Any = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else {}
    except ssl.SSLCertVerificationError as error:
        yield failure("certificate", f"browsers refuse it: {error.verify_message}", change)
        return
    begins, ends = (ssl.cert_time_to_seconds(found[name]) for name in ("notBefore", "notAfter"))
    left_s = ends - time.time()
    soon_s = min(EXPIRES_SOON_S, (ends - begins) * EXPIRES_SOON_SHARE)
    text = f"expires in {left_s / 86_400:.0f} days"
    yield warning("certificate", text, change) if left_s < soon_s else ok("certificate", text)


def _ask(options: Options, **more: str) -> tuple[dict[str, Any], str, str]:
    """Return how a plain request arrived, and both addresses of the connection.

    `more` are further headers, with _ for -. Raises Unreachable.
    """
    public = urlsplit(settings.PUBLIC_URL)
    with closing(_open(options, verify=False)) as connection:
        own, peer = connection.getsockname()[0], connection.getpeername()[0]
        client = http.client.HTTPConnection(public.netloc, timeout=options.timeout)
        client.sock = connection
        headers = {"Host": public.netloc, "Origin": settings.PUBLIC_URL}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        try:
            client.request("GET", f"{echo.PATH}?token={echo.make_token()}", headers=headers)
            answer = client.getresponse()
            body = answer.read(65_536)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"no HTTP answer: {first_line(error) or type(error).__name__}") from error
    return _decoded(body, answer.status), own, peer


def _decoded(body: bytes, status: int) -> dict[str, Any]:
    try:
        seen = json.loads(body)
    except ValueError:
        seen = None
    if status == http.client.OK and isinstance(seen, dict) and "problems" in seen:
        return seen
    return {"status": status, "problems": []}


# --- what arrived


def _arrived(check: str, seen: dict[str, Any]) -> Iterator[Finding]:
    if "host" not in seen:
        yield failure(
            check,
            f"{settings.PUBLIC_URL} answers (HTTP {seen['status']}), but not as this installation",
            "PUBLIC_URL, or the proxy's upstream; all containers must have the same SECRET_KEY",
        )
        return
    if seen["origin"] != settings.PUBLIC_URL:
        yield failure(
            check,
            f"the Origin arrives as {seen['origin']!r}",
            "the proxy must pass Origin as it came: without it every sign-in is refused",
        )
    for problem in seen["problems"]:
        yield failure(check, problem["text"], problem["change"])


def _client(check: str, seen: dict[str, Any], own: str, peer: str) -> Iterator[Finding]:
    client = seen.get("client", own)
    if client == own:
        return
    change = "TRUSTED_PROXIES must name the address of each proxy in front of nginx and of web"
    if client == peer:
        yield failure(check, f"everybody counts as one address for the limits: the app sees the proxy's, {client}", change)
    elif _is_private(client) and not _is_private(peer):
        yield failure(check, f"the app sees the address {client}, which belongs to no person", change)


def _forged(check: str, options: Options) -> Iterator[Finding]:
    """Send an X-Forwarded-For of our own, which must have no effect."""
    try:
        seen, own, _ = _ask(options, X_Forwarded_For=FORGED)
    except Unreachable:
        # Some proxies refuse such a request.
        return
    if seen.get("client") != FORGED:
        return
    text = "an X-Forwarded-For of the doctor's own was believed: anybody may choose the address that the limits count"
    change = "TRUSTED_PROXIES must name the proxies alone, and the outermost one must replace X-Forwarded-For"
    if _is_private(own) and not ip_address(own).is_loopback:
        # The network of containers is often trusted as a whole, and the doctor is in it. Other people may not be.
        yield warning(check, f"{text}, unless TRUSTED_PROXIES vouches for the doctor's {own} only", change)
    else:
        yield failure(check, text, change)


def _is_direct(options: Options, own: str) -> bool:
    """Return whether the server itself answers, on this machine.

    Programs here are proxies that it trusts.
    """
    return _target(options)[1] == settings.LISTEN_PORT and ip_address(own).is_loopback


def _is_private(address: str) -> bool:
    try:
        return ip_address(address).is_private
    except ValueError:
        return True


def _socket(options: Options) -> Iterator[Finding]:
    public = urlsplit(settings.PUBLIC_URL)
    address = f"ws://{public.netloc}{echo.SOCKET_PATH}?token={echo.make_token()}"
    way: dict[str, Any] = {"open_timeout": options.timeout, "close_timeout": 1, "origin": settings.PUBLIC_URL, "proxy": None}
    try:
        # The TLS is ours already: its certificate was judged before.
        with closing(_open(options, verify=False)) as connection:
            with connect(address, sock=connection, **way) as chat:
                seen = json.loads(chat.recv(timeout=options.timeout))
                chat.send("ping")
                if chat.recv(timeout=options.timeout) != "ping":
                    yield failure("socket", "a message came back changed", UPGRADE)
            yield from (failure("socket", problem["text"], problem["change"]) for problem in seen["problems"])
    except websockets.exceptions.InvalidStatus as error:
        yield failure("socket", f"the handshake is answered with HTTP {error.response.status_code} in place of 101", UPGRADE)
    except (OSError, TimeoutError, Unreachable, ValueError, websockets.exceptions.WebSocketException) as error:
        yield failure("socket", f"no socket opens: {first_line(error) or type(error).__name__}", UPGRADE)


# --- the server of this machine


def check_server(options: Options) -> Iterator[Finding]:
    """Ask the server on HOST and PORT how it is."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}.get(settings.LISTEN_HOST, settings.LISTEN_HOST)  # noqa: S104
    client = http.client.HTTPConnection(host.strip("[]"), settings.LISTEN_PORT, timeout=options.timeout)
    try:
        with closing(client):
            client.request("GET", "/readyz", headers={"Host": "localhost"})
            answer = client.getresponse()
            body = json.loads(answer.read(65_536))
    except (OSError, http.client.HTTPException, ValueError) as error:
        yield failure(
            "server",
            f"nothing answers on {host}:{settings.LISTEN_PORT}: {first_line(error)}",
            "make up, make run; HOST and PORT say where",
        )
        return
    failing = [name for name, state in body.get("checks", {}).items() if state != "ok"]
    if not body.get("ready"):
        yield failure("server", f"it is not ready: {', '.join(failing)}", "docs/runbooks/README.md")
    elif body.get("degraded"):
        yield failure("server", f"it serves without {', '.join(body['degraded'])}", "docs/runbooks/README.md")
    else:
        yield ok("server", f"ready on {host}:{settings.LISTEN_PORT}")
