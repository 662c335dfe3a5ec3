"""The checks of `manage.py doctor` for Web Push and e-mail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from accounts.models import User
from features.notifications import endpoints, mail, vapid
from features.notifications.doctor import OVERDUE_AFTER, check_mail, check_push
from features.notifications.models import Cursor, Device, Preferences
from tests.features.notifications.mail_server import MailServer, mail_server
from tests.support.ports import free_port
from tests.support.profile import Profile
from tests.support.server import Server

pytestmark = [pytest.mark.once, pytest.mark.served]


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


@pytest.fixture
def ready_for_push(monkeypatch: pytest.MonkeyPatch) -> User:
    """Settings with which Web Push is sound, and a person with four devices."""
    monkeypatch.setattr(settings, "VAPID_PRIVATE_KEY", vapid.make_pair()[0])
    monkeypatch.setattr(settings, "PUBLIC_URL", "https://chat.example.org")
    monkeypatch.setattr(settings, "PUSH_LOOPBACK", False)
    ada = User.objects.create(username="ada")
    for number in range(4):
        Device.objects.create(user=ada, endpoint=f"https://push.example.org/{number}", digest=str(number))
    return ada


def pushed() -> tuple[str, str, str]:
    (found,) = check_push(5)
    return found.level, found.text, found.change


@pytest.mark.django_db
def test_devices_that_are_refused_are_named(ready_for_push: User) -> None:
    Device.objects.filter(digest__in=["0", "1"]).update(failing_since=timezone.now())
    assert pushed()[:2] == ("ok", "4 devices, 2 of them failing")
    Device.objects.filter(digest="2").update(failing_since=timezone.now())
    level, text, change = pushed()
    assert (level, text.partition(":")[0]) == ("warning", "push services refuse 3 of 4 devices")
    assert change == "docs/features/notifications.md"


@pytest.mark.django_db
def test_push_without_a_worker_is_named(ready_for_push: User) -> None:
    now = timezone.now()
    cursor, _ = Cursor.objects.update_or_create(name="push", defaults={"at": now, "held_until": now})
    assert pushed()[0] == "ok"
    Cursor.objects.filter(pk=cursor.pk).update(held_until=now - OVERDUE_AFTER - timedelta(minutes=1))
    level, text, change = pushed()
    assert (level, text) == ("failure", "no background worker looks for what is to be pushed")
    assert change.endswith("up -d worker")


@pytest.mark.django_db
def test_settings_that_web_push_cannot_use_are_named(ready_for_push: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "PUSH_LOOPBACK", True)
    assert pushed()[2] == "remove PUSH_LOOPBACK"
    monkeypatch.setattr(settings, "PUBLIC_URL", "http://chat.example.org")
    assert pushed()[2] == "PUBLIC_URL=https://chat.example.org"
    monkeypatch.setattr(settings, "VAPID_PRIVATE_KEY", "short")
    assert pushed()[::2] == ("failure", "VAPID_PRIVATE_KEY")


def test_password_that_the_mail_server_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    refuse = Controller(
        object(),
        hostname="127.0.0.1",
        port=port,
        authenticator=lambda *_: AuthResult(success=False, handled=False),
        auth_require_tls=False,
    )
    refuse.start()
    try:
        set_mail(monkeypatch, f"smtp+plain://me:wrong@127.0.0.1:{port}")
        (found,) = check_mail(5)
    finally:
        refuse.stop()
    assert (found.level, found.change) == ("failure", "EMAIL_URL")
    assert found.text == "the mail server does not accept user name or password"


@pytest.mark.django_db
def test_digest_without_a_mail_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "EMAIL_URL", None)
    assert [one.level for one in check_mail(5)] == ["ok"]
    Preferences.objects.create(user=User.objects.create(username="ada"), digest="daily", email="ada@example.org")
    (found,) = check_mail(5)
    assert (found.level, found.text.partition(" ")[0]) == ("warning", "1")
