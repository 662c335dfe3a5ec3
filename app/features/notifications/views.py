"""The pages behind the links of mails.

They work without signing in: the link is signed, and worth this one thing only.

Opening a link changes nothing, because mail programs open links by themselves; its button does. Mail programs unsubscribe by POST
(RFC 8058).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from db import database
from features.notifications import mail, services
from features.notifications.mail import Link
from realtime.publish import person_signal


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
async def confirm(request: HttpRequest, token: str) -> HttpResponse:
    link = mail.confirmed(token)
    if link is None:
        return _page(request, _("This link is not valid"), _("It is old, or a part of it is missing."), status=400)
    if request.method != "POST":
        return _ask(request, _("Confirm your e-mail address"), link, _("Confirm"))
    if not await _change(link, services.email_confirm):
        return _page(request, _("This link is not valid"), _("Another address has been set since."), status=400)
    return _page(request, _("Your address is confirmed"), _("Hubbub mails you what you missed, as often as you have set."))


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
async def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    link = mail.unsubscribed(token)
    if link is None:
        return _page(request, _("This link is not valid"), _("It is old, or a part of it is missing."), status=400)
    if request.method != "POST":
        return _ask(request, _("Stop e-mails"), link, _("Stop e-mails"))
    await _change(link, services.unsubscribe)
    return _page(request, _("You get no more e-mails"), _("You can turn them on again in the settings of notifications."))


async def _change(link: Link, change: Callable[[Link], dict[str, Any] | None]) -> bool:
    """Change settings, and show the person's open pages the change."""
    settings = await database.run(change, link)
    if settings is not None:
        person_signal(link.user, {"type": "notifications", **settings})
    return settings is not None


def _ask(request: HttpRequest, title: str, link: Link, button: str) -> HttpResponse:
    return render(request, "notifications/page.html", {"title": title, "text": link.email, "button": button})


def _page(request: HttpRequest, title: str, text: str, *, status: int = 200) -> HttpResponse:
    return render(request, "notifications/page.html", {"title": title, "text": text}, status=status)
