"""Parse the addresses DATABASE_URL and REDIS_URL, with one form of error.

`scheme://user:password@host:port,host:port/path?name=value`. An error names the setting and the right form, and never
repeats the value: any part of a malformed address may be part of its password.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import unquote

from django.core.exceptions import ImproperlyConfigured

ENCODE = "percent-encode / ? # @ : , % and spaces in user and password (a / is %2F)"
MOST_PORT = 65_535
MOST_DIGITS = 20
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*")
_BAD_CODE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?")


@dataclass(frozen=True)
class Address:
    """The decoded parts; a host without a port has None."""

    scheme: str
    user: str
    password: str = field(repr=False)
    hosts: tuple[tuple[str, int | None], ...]
    path: str
    query: dict[str, str]


def refuse(name: str, problem: str, form: str) -> NoReturn:
    """Raise ImproperlyConfigured with the setting's fault and the right form."""
    raise ImproperlyConfigured(f"{name} {problem}: use {form}") from None


def parse_address(name: str, value: str, form: str) -> Address:
    """Parse a network address, or an address with only a path.

    Raises ImproperlyConfigured.
    """
    scheme, found, rest = value.partition("://")
    problem = _problem_of(value, rest) if found and _SCHEME.fullmatch(scheme) else _no_address(value)
    authority_and_path, _, query = rest.partition("?")
    authority, _, path = authority_and_path.partition("/")
    if not problem and "@" in path + query:
        problem = f"has a / or ? in front of its @; {ENCODE}"
    if problem:
        refuse(name, problem, form)
    login, _, hosts = authority.rpartition("@")
    user, _, password = login.partition(":")
    return Address(
        scheme.lower(),
        unquote(user),
        unquote(password),
        tuple(_host(name, one, form) for one in hosts.split(",") if hosts),
        unquote(path),
        _query(name, query, form),
    )


def _no_address(value: str) -> str:
    if value[:1] in {'"', "'"}:
        return "is in quotes; leave them out"
    return f"is no address; {ENCODE}"


def _problem_of(value: str, rest: str) -> str:
    if any(character.isspace() or not character.isprintable() for character in value):
        return f"holds a space or a control character; {ENCODE}"
    if "#" in rest:
        return f"holds a #, which is %23 in an address; {ENCODE}"
    if _BAD_CODE.search(rest):
        return f"holds a % without two hexadecimal digits behind it; {ENCODE}"
    return ""


def _host(name: str, text: str, form: str) -> tuple[str, int | None]:
    """Parse one host with its port.

    A name, IPv4, `[IPv6]`, or a socket's percent-encoded directory.
    """
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        if not closed or not _is_ipv6(host) or port[:1] not in {"", ":"}:
            refuse(name, "has no IPv6 address in its brackets", form)
        colon, port = port[:1], port[1:]
    else:
        host, colon, port = text.partition(":")
        host = unquote(host)
        if not host.startswith("/") and not _NAME.fullmatch(host):
            refuse(name, f"has no host behind its @; {ENCODE}", form)
    if not colon:
        return host, None
    return host, port_of(name, port, form)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def port_of(name: str, text: str, form: str) -> int:
    """Parse a port number.

    Raises ImproperlyConfigured.
    """
    # Python makes no number of thousands of digits.
    if not text.isascii() or not text.isdigit() or len(text) > MOST_DIGITS or not 0 < int(text) <= MOST_PORT:
        refuse(name, f"has no port from 1 to {MOST_PORT} behind its host; {ENCODE}", form)
    return int(text)


def _query(name: str, text: str, form: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in text.split("&") if text else ():
        key, is_pair, value = pair.partition("=")
        if not is_pair or not key or key in found:
            refuse(name, "has something else than name=value, each name once, behind its ?", form)
        found[key] = unquote(value)
    return found
