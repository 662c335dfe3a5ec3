"""Page addresses in the form of a browser's Origin.

They are PUBLIC_URL, ALLOWED_ORIGINS, and the address of `make run`.

A browser's Origin has a lower-case host in ASCII (IDNA), IPv6 in brackets and compressed, no default port and no path.
`python -m config.origins HOST PORT [PUBLIC_URL]` prints the address to open.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from typing import NoReturn
from urllib.parse import urlsplit

import idna
from django.core.exceptions import ImproperlyConfigured

from core.addresses import MOST_PORT, refuse

HOST_FORM = "an address or a name to listen on, without a port"
FORM = "http(s)://host[:port] without user, path and query"
DEFAULT_PORTS = {"http": 80, "https": 443}
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# Hosts that both a browser and Django accept; Django refuses underscores.
_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?")
_UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104


def browser_origin(name: str, value: str) -> str:
    """Return `value` as a browser writes it in Origin.

    Raises ImproperlyConfigured, naming the setting `name`.
    """
    if any(character.isspace() or not character.isprintable() for character in value):
        _refuse(name, value)
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        _refuse(name, value)
    is_origin = parts.scheme in DEFAULT_PORTS and host and parts.path in {"", "/"} and "@" not in parts.netloc
    if not is_origin or "?" in value or "#" in value or port == 0:
        _refuse(name, value)
    # urlsplit removes the brackets.
    shown = browser_host(name, f"[{host}]" if "[" in parts.netloc else host)
    return f"{parts.scheme}://{shown}" + (f":{port}" if port not in {None, DEFAULT_PORTS[parts.scheme]} else "")


def browser_host(name: str, host: str) -> str:
    """Return a host in a browser's form.

    ASCII, lower case, IPv6 compressed in brackets.

    Raises ImproperlyConfigured.
    """
    if host.startswith("["):
        return f"[{_ipv6(name, host.strip('[]'))}]"
    try:
        shown = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        shown = ""
    if not _HOST.fullmatch(shown) or len(shown) > 253 or not _is_number_free(shown):
        refuse(name, f"is {_short(host)}, which is no host a browser sends", FORM)
    return shown


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host in its browser's form."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listening_url(host: str, port: int) -> str:
    """Return the address of a server listening on HOST and PORT.

    Raises ImproperlyConfigured.
    """
    check_listener("HOST", host)
    bare = host.strip("[]")
    shown = browser_host("HOST", f"[{bare}]" if ":" in bare else bare)
    return browser_origin("HOST", f"http://{_UNSPECIFIED.get(shown, shown)}:{port}")


def check_listener(name: str, host: str) -> None:
    """Raise ImproperlyConfigured if `host` is more than an address or a name."""
    if not re.fullmatch(r"\[[0-9A-Fa-f:.%\w]+\]|[0-9A-Fa-f]*:[0-9A-Fa-f:.%\w]*:[0-9A-Fa-f:.%\w]*|[\w.-]+", host):
        refuse(name, f"is {_short(host)}", HOST_FORM)


def _ipv6(name: str, text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        refuse(name, f"is {_short(f'[{text}]')}, which is no IPv6 address", FORM)
    if address.scope_id:
        refuse(name, "has a zone (%) in its IPv6 address, which no browser sends", FORM)
    if address.ipv4_mapped is None:
        return address.compressed
    low = int(address) & 0xFFFF_FFFF  # Python 3.13 prints it with dots, browsers do not
    return f"::ffff:{low >> 16:x}:{low & 0xFFFF:x}"


def _is_number_free(host: str) -> bool:
    """Return whether a browser leaves `host` as it is.

    It converts a host whose last label is a number to an IPv4 address.
    """
    last = host.rstrip(".").rpartition(".")[2]
    if not last.isdigit() and not re.fullmatch(r"0x[0-9a-f]*", last):
        return True
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False


def _refuse(name: str, value: str) -> NoReturn:
    if value.startswith(("'", '"')):
        refuse(name, "is in quotes; leave them out", FORM)
    if "@" in value:  # the value may contain a password
        refuse(name, "holds a user or a password", FORM)
    refuse(name, f"is {_short(value)}", f"{FORM}, and a port from 1 to {MOST_PORT}")


def _short(value: str) -> str:
    return repr(value if len(value) <= 80 else value[:79] + "…")


def csp_source(name: str, address: str) -> str:
    """Return the origin of an address as a content security policy names it.

    `{s}` in the host stands for any name. Raises ImproperlyConfigured.
    """
    parts = urlsplit(address.replace("{s}", "*"))
    if parts.scheme not in {"http", "https"} or not re.fullmatch(r"(\*\.)?[A-Za-z0-9.-]+(:\d+)?", parts.netloc):
        raise ImproperlyConfigured(f"{name} is {address!r}: use an address that begins with https:// and a host")
    return f"{parts.scheme}://{parts.netloc}"


def main(arguments: list[str]) -> int:
    """Print the address to open.

    Exit code 2 names a wrong setting.
    """
    host, port, public = [*arguments, ""][:3]
    try:
        sys.stdout.write(f"{browser_origin('PUBLIC_URL', public) if public else listening_url(host, int(port))}\n")
    except ImproperlyConfigured as error:
        sys.stderr.write(f"run: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
