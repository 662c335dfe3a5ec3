"""Checks of Web Push and e-mail: what is wrong, and the line to change."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from core.features import Checked
from features.notifications import mail, vapid
from features.notifications.endpoints import is_loopback
from features.notifications.models import Cursor, Device, Preferences
from features.notifications.sweep import OVERLAP

PAGE = "docs/features/notifications.md"
# A sweep that comes no further than this much behind is stuck, or no worker runs.
OVERDUE_AFTER = OVERLAP + timedelta(minutes=12)


def check_push(_timeout_s: float) -> Iterator[Checked]:
    try:
        pair = vapid.pair()
    except ImproperlyConfigured as error:
        yield Checked("failure", str(error), "VAPID_PRIVATE_KEY")
        return
    if pair is None:
        yield Checked("failure", "there is no key for push services", "python app/manage.py migrate")
        return
    public = urlsplit(settings.PUBLIC_URL)
    if public.scheme != "https" and not is_loopback(str(public.hostname)):
        yield Checked("warning", "browsers take Web Push over https only", f"PUBLIC_URL=https://{public.netloc}")
        return
    if settings.PUSH_LOOPBACK:
        yield Checked("warning", "PUSH_LOOPBACK lets Web Push call this machine", "remove PUSH_LOOPBACK")
        return
    yield from _devices()


def _devices() -> Iterator[Checked]:
    number = Device.objects.count()
    failing = Device.objects.filter(failing_since__isnull=False).count()
    cursor = Cursor.objects.filter(name="push").first()
    if number and cursor is not None and cursor.held_until is not None and timezone.now() - cursor.held_until > OVERDUE_AFTER:
        yield Checked("failure", "no background worker looks for what is to be pushed", "scripts/compose up -d worker")
    elif number and failing * 2 > number:
        text = f"push services refuse {failing} of {number} devices: may the worker call out on port 443?"
        yield Checked("warning", text, PAGE)
    else:
        yield Checked("ok", f"{number} devices, {failing} of them failing")


def check_mail(timeout_s: float) -> Iterator[Checked]:
    if not mail.is_on():
        waiting = Preferences.objects.exclude(digest="off").exclude(email="").count()
        if waiting:
            yield Checked("warning", f"{waiting} people wait for a digest, and no mail server is set", "EMAIL_URL, EMAIL_FROM")
        else:
            yield Checked("ok", "off: EMAIL_URL is not set")
        return
    try:
        mail.check()
        options = {**mail.options(), "timeout": timeout_s}
        with mail.connection(**options):
            yield Checked("ok", f"{options['host']} takes mails")
    except ImproperlyConfigured as error:
        yield Checked("failure", str(error), "EMAIL_URL, EMAIL_FROM")
    except smtplib.SMTPAuthenticationError:
        yield Checked("failure", "the mail server does not accept user name or password", "EMAIL_URL")
    except (OSError, smtplib.SMTPException) as error:
        name = type(error).__name__
        yield Checked("failure", f"the mail server does not take mails: {name}", f"EMAIL_URL, or a way out for it: {PAGE}")
