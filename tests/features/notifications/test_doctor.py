"""The checks of `manage.py doctor` for Web Push and e-mail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from features.notifications import endpoints, mail, vapid
from features.notifications.doctor import check_mail
from tests.features.notifications.mail_server import MailServer, mail_server
from tests.support.ports import free_port
from tests.support.profile import Profile
from tests.support.server import Server

pytestmark = pytest.mark.once


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as found:
        yield found


def set_mail(monkeypatch: pytest.MonkeyPatch, url: str, sender: str | None = "Hubbub <hubbub@example.org>") -> None:
    monkeypatch.setattr(settings, "EMAIL_URL", url)
    monkeypatch.setattr(settings, "EMAIL_FROM", sender)


def test_mail_server_is_tried(monkeypatch: pytest.MonkeyPatch, mails: MailServer) -> None:
    set_mail(monkeypatch, mails.url)
    assert [one.level for one in check_mail(5)] == ["ok"]
    set_mail(monkeypatch, f"smtp+plain://127.0.0.1:{free_port()}")
    (found,) = check_mail(5)
    assert (found.level, found.change.partition(",")[0]) == ("failure", "EMAIL_URL")
    set_mail(monkeypatch, mails.url.replace("smtp+plain", "smtp"))  # it does not speak TLS
    assert [one.level for one in check_mail(5)] == ["failure"]


@pytest.mark.parametrize(
    ("url", "sender", "reason"),
    [
        ("smtp://user:p#ss@host", "a@example.org", "EMAIL_URL"),
        ("imap://host", "a@example.org", "no scheme of a mail server"),
        ("smtp://one,two", "a@example.org", "another form"),
        ("smtp://host/path", "a@example.org", "another form"),
        ("smtp://host:0", "a@example.org", "no port"),
        ("smtp://host", None, "EMAIL_FROM is not set"),
        ("smtp://host", "nobody", "EMAIL_FROM is no address"),
    ],
)
def test_wrong_mail_settings_stop_the_start_by_name(
    monkeypatch: pytest.MonkeyPatch, url: str, sender: str | None, reason: str
) -> None:
    set_mail(monkeypatch, url, sender)
    with pytest.raises(ImproperlyConfigured, match=reason) as refusal:
        mail.check()
    assert "p#ss" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.org", ("mail.example.org", 587, "use_tls")),
        ("smtps://me:p%40ss@mail.example.org", ("mail.example.org", 465, "use_ssl")),
        ("smtp+plain://127.0.0.1:2525", ("127.0.0.1", 2525, "")),
    ],
)
def test_address_of_a_mail_server_names_port_and_encryption(
    monkeypatch: pytest.MonkeyPatch, url: str, expected: tuple[str, int, str]
) -> None:
    set_mail(monkeypatch, url)
    found = mail.options()
    assert (found["host"], found["port"], "".join({"use_tls", "use_ssl"} & found.keys())) == expected
    if "@" in url:
        assert (found["username"], found["password"]) == ("me", "p@ss")


def test_loopback_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "PUSH_LOOPBACK", True)
    monkeypatch.setattr(settings, "DEPLOYMENT", "production")
    with pytest.raises(ImproperlyConfigured, match="PUSH_LOOPBACK"):
        endpoints.check()


def test_key_of_the_setting_is_used_and_a_wrong_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = vapid.make_pair()
    monkeypatch.setattr(settings, "VAPID_PRIVATE_KEY", private)
    assert vapid.public_key() == public
    for wrong in ("short", "A" * 43, "ü"):
        monkeypatch.setattr(settings, "VAPID_PRIVATE_KEY", wrong)
        with pytest.raises(ImproperlyConfigured, match="VAPID_PRIVATE_KEY"):
            vapid.public_key()


def test_doctor_has_the_checks_of_the_feature(profile: Profile) -> None:
    server = Server(profile)
    try:
        printed = server.shell("from django.core.management import call_command; call_command('doctor', 'push', 'mail')")
    finally:
        server.close()
    assert "ok       push         0 devices" in printed
    assert "ok       mail         off" in printed
