"""The mail server that an operator has set, and the links that mails carry."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core import signing
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string

from core.addresses import parse_address, refuse

FORMS = "smtp://[user:password@]host[:587], smtps://[user:password@]host[:465] or smtp+plain://host[:25]"
# Scheme → the port, and which encryption Django's backend is asked for.
SCHEMES: dict[str, tuple[int, dict[str, bool]]] = {
    "smtp": (587, {"use_tls": True}),
    "smtps": (465, {"use_ssl": True}),
    "smtp+plain": (25, {}),
}
# For each step with the mail server.
TIMEOUT_S = 10
CONFIRM_S = 3 * 86_400
_CONFIRM, _UNSUBSCRIBE = "notifications.confirm", "notifications.unsubscribe"


class Link(NamedTuple):
    """Whom a signed link is about.

    It is worth nothing once the person has another address.
    """

    user: int
    email: str


def is_on() -> bool:
    """Say whether an operator has set a mail server."""
    return bool(settings.EMAIL_URL)


def check() -> None:
    """Raise ImproperlyConfigured for settings that cannot send, naming them."""
    if not is_on():
        return
    options()
    if not settings.EMAIL_FROM:
        raise ImproperlyConfigured("EMAIL_FROM is not set: EMAIL_URL needs a sender, such as Hubbub <hubbub@example.org>")
    if "@" not in settings.EMAIL_FROM or not settings.EMAIL_FROM.isprintable():
        raise ImproperlyConfigured("EMAIL_FROM is no address: use name@example.org, or Name <name@example.org>")


def options() -> dict[str, Any]:
    """Return the options of Django's backend.

    Raises ImproperlyConfigured, which never shows the address.
    """
    address = parse_address("EMAIL_URL", settings.EMAIL_URL or "", FORMS)
    if address.scheme not in SCHEMES:
        refuse("EMAIL_URL", "starts with no scheme of a mail server", FORMS)
    if len(address.hosts) != 1 or address.hosts[0][0].startswith("/") or address.path.strip("/") or address.query:
        refuse("EMAIL_URL", "has another form", FORMS)
    default, encryption = SCHEMES[address.scheme]
    ((host, port),) = address.hosts
    login = {"username": address.user, "password": address.password}
    return {"host": host, "port": port or default, "timeout": TIMEOUT_S, **login, **encryption}


def connection(**changed: Any) -> BaseEmailBackend:
    """Return a connection to the mail server; open it with `with`.

    `changed`: options of Django's backend.
    """
    found: BaseEmailBackend = get_connection("django.core.mail.backends.smtp.EmailBackend", **{**options(), **changed})
    return found


def message(to: Link, *, template: str, subject: str, context: dict[str, Any], language: str) -> EmailMultiAlternatives:
    """Return a mail from the templates `template`.text.html and `template`.html.

    Call it with `language` active.
    """
    unsubscribe = f"{settings.PUBLIC_URL}/notifications/unsubscribe/{unsubscribe_token(to)}"
    context = {**context, "unsubscribe": unsubscribe, "site": urlsplit(settings.PUBLIC_URL).netloc, "language": language}
    headers = {
        "List-Unsubscribe": f"<{unsubscribe}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
    }
    text = render_to_string(f"notifications/{template}.text.html", context)
    mail = EmailMultiAlternatives(subject, text, settings.EMAIL_FROM, [to.email], headers=headers)
    mail.attach_alternative(render_to_string(f"notifications/{template}.html", context), "text/html")
    return mail


def confirm_link(to: Link) -> str:
    return f"{settings.PUBLIC_URL}/notifications/confirm/{signing.dumps(list(to), salt=_CONFIRM, compress=True)}"


def confirmed(token: str) -> Link | None:
    """Return whom a link of a confirmation is about; None for a forged or old one."""
    return _read(token, _CONFIRM, CONFIRM_S)


def unsubscribe_token(to: Link) -> str:
    return signing.dumps(list(to), salt=_UNSUBSCRIBE, compress=True)


def unsubscribed(token: str) -> Link | None:
    """Return whom a link to unsubscribe is about; None for a forged one.

    It never ends.
    """
    return _read(token, _UNSUBSCRIBE, None)


def _read(token: str, salt: str, max_age: int | None) -> Link | None:
    try:
        return Link(*signing.loads(token, salt=salt, max_age=max_age))
    except (signing.BadSignature, TypeError, ValueError):
        return None
