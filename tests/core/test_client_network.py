"""Limits count a client by the network it can choose its address from."""

import pytest

from core.client_network import client_network, network_of, unmapped

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("::ffff:cb00:7109", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("?", "?"),
        ("", ""),
    ],
)
def test_client_network_is_address_or_64(address: str, network: str) -> None:
    assert client_network(address) == network


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::FFFF:7f00:1", "127.0.0.1"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("a:b", "a:b"),
    ],
)
def test_mapped_address_is_shown_as_ipv4(address: str, plain: str) -> None:
    assert unmapped(address) == plain


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.1/8", "10.0.0.0/8"),
        ("10.0.0.1", "10.0.0.1/32"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
        ("::/0", "::/0"),
    ],
)
def test_network_is_read_as_nginx_reads_it(text: str, network: str) -> None:
    assert str(network_of(text)) == network


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0", "proxy", "*", "", "10.0.0.0/8/8", "::1/129", "10.0.0.1:80"])
def test_text_that_is_no_network_raises(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        network_of(text)
