"""Addresses of services: one parser, one form of error, no password in any output."""

import traceback

import pytest
from django.core.exceptions import ImproperlyConfigured

from core.addresses import parse_address

FORM = "scheme://user:password@host:1/name"
SECRET = "lovelace"


def test_parts_are_decoded() -> None:
    address = parse_address("X_URL", "RediS://us%40er:p%2Fw%23@a.example:6379,[::1]:1,b/c%20d?e=f%3Dg&h=", FORM)
    assert (address.scheme, address.user, address.password) == ("redis", "us@er", "p/w#")
    assert address.hosts == (("a.example", 6379), ("::1", 1), ("b", None))
    assert (address.path, address.query) == ("c d", {"e": "f=g", "h": ""})


@pytest.mark.parametrize("password", ["love[lace", "love:lace", "love@lace", "love=lace&", "löve", "%25", "%40"])
def test_password_without_encoding_is_accepted(password: str) -> None:
    address = parse_address("X_URL", f"redis://user:{password}@host:1/0", FORM)
    assert address.password == {"%25": "%", "%40": "@"}.get(password, password)
    assert address.hosts == (("host", 1),)


def test_password_is_not_in_the_representation() -> None:
    assert SECRET not in repr(parse_address("X_URL", f"redis://user:{SECRET}@host:1/0", FORM))


@pytest.mark.parametrize(
    "value",
    [
        f"redis://user:{wrong}@host:1/0"
        for mark in ("/", "#", "?", "%", "%zz", "/1", "?1", " ", "\n", "\0")
        for wrong in (f"{SECRET}{mark}{SECRET}", f"{mark}{SECRET}", f"{SECRET}{mark}", f"12{mark}{SECRET}")
    ]
    + [
        f"{SECRET}",
        f"'redis://user:{SECRET}@host:1/0'",
        f'"redis://user:{SECRET}@host:1/0"',
        f"user:{SECRET}@host:1/0",
        f"redis:/user:{SECRET}@host:1/0",
        f"redis://user:{SECRET}@/0@host",
        f"redis://user:{SECRET}@host:port/0",
        f"redis://user:{SECRET}@host:0/0",
        f"redis://user:{SECRET}@host:65536/0",
        pytest.param(f"redis://user:{SECRET}@host:{'9' * 5_000}/0", id="port of 5,000 digits"),
        f"redis://user:{SECRET}@host:/0",
        f"redis://user:{SECRET}@:1/0",
        f"redis://user:{SECRET}@[::1/0",
        f"redis://user:{SECRET}@[host]/0",
        f"redis://user:{SECRET}@::1/0",
        f"redis://user:{SECRET}@a,,b/0",
        f"redis://user:{SECRET}@host/0?db",
        f"redis://user:{SECRET}@host/0?db=1&db=2",
        f"redis://user:{SECRET}@host/0?=1",
    ],
)
def test_wrong_address_is_refused_without_its_password(value: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        parse_address("X_URL", value, FORM)
    message = str(refused.value)
    assert message.startswith("X_URL ")
    assert message.endswith(f": use {FORM}")
    assert SECRET not in "".join(line for line in traceback.format_exception_only(refused.value))
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
