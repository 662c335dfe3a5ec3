"""The network of a client for its limits: an IPv4 address, or a /64 of IPv6."""

from __future__ import annotations

import functools
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

# A provider gives each customer a /64 or more, so one machine may use 2^64 addresses. nginx counts the same way
# (nginx/templates/includes/limits.conf.template).
IPV6_PREFIX = 64
# What a setting with networks takes.
NETWORKS = "addresses and networks such as 10.0.0.0/8,2001:db8::/32"
# Holds the IPv4 addresses as a listener on :: sees them.
MAPPED = IPv6Network("::ffff:0:0/96")


@functools.lru_cache(maxsize=4096)
def client_network(address: str) -> str:
    """Return `203.0.113.9`, `2001:db8:1:2::/64`, or an invalid `address` itself.

    An IPv4-mapped address counts as IPv4.
    """
    try:
        parsed: IPv4Address | IPv6Address = ip_address(unmapped(address))
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    return str(IPv6Network((int(parsed), IPV6_PREFIX), strict=False))


def unmapped(address: str) -> str:
    """Return an IPv4-mapped address as IPv4, any other text as it is."""
    if ":" not in address:
        return address
    try:
        mapped = IPv6Address(address).ipv4_mapped
    except ValueError:
        return address
    return address if mapped is None else str(mapped)


def network_of(text: str) -> IPv4Network | IPv6Network:
    """Parse an address or a network as nginx does.

    Bits behind the prefix do not count, and IPv4-mapped is IPv4. Raises ValueError.
    """
    network = ip_network(text, strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - MAPPED.prefixlen))
    return network
