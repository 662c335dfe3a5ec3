"""Check the addresses of push services, which browsers supply.

An address of an internal network is never used.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from core.errors import BadFrame
from core.words import words as _

LONGEST = 2_048
# Names that resolve within a machine or a cluster.
INTERNAL = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".svc", ".cluster.local")


def check() -> None:
    """Raise ImproperlyConfigured if PUSH_LOOPBACK is set in production.

    People could make the server call itself.
    """
    if settings.PUSH_LOOPBACK and settings.DEPLOYMENT == "production":
        raise ImproperlyConfigured("PUSH_LOOPBACK is for tests: remove it in production")


def checked_endpoint(address: str) -> str:
    """Return the address.

    Raises BadFrame, naming what is wrong.

    What its name leads to is checked when a push is sent: that may change at any time.
    """
    if len(address) > LONGEST or not address.isascii() or not address.isprintable() or " " in address or "\\" in address:
        raise BadFrame(_("endpoint is no address of a push service"))
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadFrame(_("endpoint is no address of a push service")) from error
    if not host or parts.username is not None or parts.password is not None or parts.fragment:
        raise BadFrame(_("endpoint is no address of a push service"))
    if settings.PUSH_LOOPBACK and parts.scheme in {"http", "https"} and is_loopback(host):
        return address
    if parts.scheme != "https":
        raise BadFrame(_("endpoint must begin with https://"))
    if is_internal(host):
        raise BadFrame(_("endpoint leads into an internal network"))
    return address


def is_internal(host: str) -> bool:
    """Return whether a host is out of the internet's reach.

    The host is an address or a name; a name counts only if that is certain.
    """
    name = host.rstrip(".").lower()
    try:
        return not is_public(name)
    except ValueError:  # a name
        return "." not in name or name.endswith(INTERNAL) or name.rpartition(".")[2].isdigit()


def is_public(address: str) -> bool:
    """Say whether an IP address is one of the internet.

    Raises ValueError for what is none.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        # NAT64 leads to an IPv4 address in its last bytes.
        if found in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None and not is_public(str(inner)):
            return False
    return found.is_global and not found.is_multicast


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
