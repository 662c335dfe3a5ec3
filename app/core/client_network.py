"""The network of a client for its limits: an IPv4 address, or a /64 of IPv6."""

from __future__ import annotations

import functools
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

# A provider gives each customer a /64 or more, so one machine may use 2^64 addresses. nginx counts the same way
# (nginx/templates/includes/limits.conf.template).
IPV6_PREFIX = 64


@functools.lru_cache(maxsize=4096)
def client_network(address: str) -> str:
    """Return `203.0.113.9`, `2001:db8:1:2::/64`, or an invalid `address` itself.

    An IPv4-mapped address counts as IPv4.
    """
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed), IPV6_PREFIX), strict=False))
