"""Configured origins are normalised to the browser's form, or refused by name."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment
from config.origins import browser_origin, is_loopback, listening_url, main

pytestmark = pytest.mark.once

BROWSERS_FORM = {
    "https://chat.example": "https://chat.example",
    "https://chat.example/": "https://chat.example",
    "https://chat.example:443": "https://chat.example",
    "http://chat.example:80/": "http://chat.example",
    "https://chat.example:80": "https://chat.example:80",
    "http://chat.example:443": "http://chat.example:443",
    "http://chat.example:08000": "http://chat.example:8000",
    "http://chat.example:": "http://chat.example",
    "HTTPS://Chat.EXAMPLE:8443": "https://chat.example:8443",
    "https://chat.example.": "https://chat.example.",
    "https://bücher.example": "https://xn--bcher-kva.example",
    "https://BÜCHER.example:443/": "https://xn--bcher-kva.example",
    "https://faß.example": "https://xn--fa-hia.example",
    "https://例え。テスト": "https://xn--r8jz45g.xn--zckzah",
    "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
    "http://127.0.0.1:8000": "http://127.0.0.1:8000",
    "http://[::1]:8000": "http://[::1]:8000",
    "https://[2001:DB8:0:0:0:0:0:1]:443": "https://[2001:db8::1]",
    "http://[::ffff:192.0.2.1]": "http://[::ffff:c000:201]",
}
NO_ORIGIN = [
    "chat.example",
    "//chat.example",
    "chat.example:443",
    "ftp://chat.example",
    "https://",
    "https:///chat",
    "https://.example",
    "https://a..example",
    "https://*.example",
    "https://my_host",
    "https://chat.example/chat",
    "https://chat.example?",
    "https://chat.example/?a=b",
    "https://chat.example#top",
    "https://chat example",
    "https://chat.example:0",
    "https://chat.example:65536",
    pytest.param(f"https://chat.example:{'9' * 5_000}", id="port of 5,000 digits"),
    "https://chat.example:https",
    "http://127.1",
    "http://0x7f000001",
    "http://256.0.0.1",
    "http://::1:8000",
    "http://[::1",
    "http://[chat.example]",
    "http://[fe80::1%25eth0]",
    "'https://chat.example",
    "null",
    "*",
]


@pytest.mark.parametrize(("written", "sent"), BROWSERS_FORM.items())
@pytest.mark.parametrize("name", ["PUBLIC_URL", "ALLOWED_ORIGINS"])
def test_origin_is_normalised_to_the_browsers_form(name: str, written: str, sent: str) -> None:
    assert Environment({name: f" {written} "}).origins(name) == [sent]


@pytest.mark.parametrize("value", NO_ORIGIN)
@pytest.mark.parametrize("name", ["PUBLIC_URL", "ALLOWED_ORIGINS"])
def test_impossible_origin_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"^{name} .*: use http\(s\)://host\[:port\]"):
        Environment({name: value}).check()


def test_wrong_second_origin_is_named() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^ALLOWED_ORIGINS is 'b.example'"):
        Environment({"ALLOWED_ORIGINS": "https://a.example,b.example"}).check()


def test_password_in_an_origin_is_not_repeated() -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        browser_origin("PUBLIC_URL", "https://ada:lovelace@chat.example")
    assert "lovelace" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("127.0.0.2", "http://127.0.0.2:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("[::1]", "http://[::1]:8000"),
        ("::", "http://[::1]:8000"),
        ("[::]", "http://[::1]:8000"),
        ("localhost", "http://localhost:8000"),
        ("Desk.local", "http://desk.local:8000"),
    ],
)
def test_listener_is_shown_by_a_reachable_address(host: str, url: str) -> None:
    assert listening_url(host, 8000) == url


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.2", True),
        ("[::1]", True),
        ("::1", True),
        ("192.168.0.1", False),
        ("0.0.0.0", False),
        ("a.example", False),
    ],
)
def test_loopback_is_told_apart_from_public_addresses(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_shown_address_is_public_url_if_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["::1", "8000", "https://Chat.example:443/"]) == 0
    assert main(["::1", "8000", ""]) == 0
    assert capsys.readouterr().out == "https://chat.example\nhttp://[::1]:8000\n"
    assert main(["::1", "8000", "chat.example"]) == 2
    assert capsys.readouterr().err.startswith("run: PUBLIC_URL is 'chat.example': use ")
