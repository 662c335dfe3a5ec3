"""The e-mail digest: once a day or an hour, a person's missed messages.

In the background worker.

A missed message is one to notify of, unread, and not mailed yet.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import Q
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from features.notifications import lease, mail, outcomes, reads
from features.notifications.mail import Link
from features.notifications.missed import Missed, RoomMissed, missed, people_of
from features.notifications.models import Preferences, Progress
from features.notifications.table import Fact, Way, tells
from rooms.models import Room

logger = structlog.get_logger(__name__)

EVERY_S = 10.0
PERIODS = {"daily": timedelta(days=1), "hourly": timedelta(hours=1)}
# What is so young may still be read in the page.
SETTLED = timedelta(minutes=5)
# What is older is not mailed any more.
OLDEST = timedelta(days=7)
# Until a person whose mail could not be sent is tried again; meanwhile others are mailed.
AGAIN = timedelta(minutes=10)
# People of one pass; messages in a mail for each room and in all.
PEOPLE = 50
LINES, ROOMS = 10, 20
MOST_TEXT = 300


class Part(NamedTuple):
    """One room of a digest."""

    id: int
    title: str
    url: str
    messages: list[Missed]
    # Messages that are not shown.
    more: int
    last_seq: int


def run() -> None:
    """Run once, for the background worker."""
    if mail.is_on() and not reads.is_off():
        digests_send()
        outcomes.flush()


def digests_send() -> int:
    """Send the digests that are due, and return how many were sent.

    One worker at a time.
    """
    now = timezone.now()
    people = list(_due(now))
    if not people or lease.hold("mail", now) is None:
        return 0
    found = _digests(people, now)
    sent = 0
    try:
        with mail.connection() as connection:
            for person in people:
                if _claim(person, now):
                    sent += _send_or_postpone(connection, person, found.get(person.user_id, []), now)
    except (OSError, smtplib.SMTPException) as error:  # the others are due at the next run
        logger.warning("the mail server does not take mails", error=type(error).__name__)
        outcomes.add(Way.MAIL, "later")
    finally:
        lease.release("mail")
    return sent


def _due(now: datetime) -> Iterable[Preferences]:
    """Return the people whose period is over, those who have waited longest first."""
    over = [Q(digest=name) & (Q(mailed_at__isnull=True) | Q(mailed_at__lte=now - period)) for name, period in PERIODS.items()]
    wanted = Preferences.objects.filter(over[0] | over[1], email_confirmed=True, user__is_active=True).exclude(email="")
    return wanted.order_by("mailed_at")[:PEOPLE]


def _digests(people: list[Preferences], now: datetime) -> dict[int, list[tuple[RoomMissed, list[Missed]]]]:
    ids = [person.user_id for person in people]
    rooms = Room.objects.filter(last_at__gt=now - OLDEST, memberships__user_id__in=ids).distinct()

    def users(column: str) -> Q:
        return Q(**{f"{column}__in": ids})

    found = list(missed(rooms, users, since=now - OLDEST, until=now - SETTLED, way=1))
    blocked = {user: one.blocked for user, one in people_of(found).items()} if found else {}
    digests: dict[int, list[tuple[RoomMissed, list[Missed]]]] = {}
    for room in found:
        for user, messages in room.people.items():
            mailed = [one for one in messages if _is_mailed(one, user, blocked[user])]
            if mailed:
                digests.setdefault(user, []).append((room, mailed))
    return digests


def _is_mailed(one: Missed, user: int, blocked: frozenset[int]) -> bool:
    facts = {
        Fact.OWN: one.message.is_own(user),
        Fact.BLOCKED: one.message.author in blocked,
        Fact.DELETED: one.message.deleted,
    }
    return tells(Way.MAIL, {fact for fact, holds in facts.items() if holds})


def _claim(person: Preferences, now: datetime) -> bool:
    """Begin a person's next period.

    Return False if another worker has begun it.

    A slow mail server may take longer than the lease.
    """
    found = Preferences.objects.filter(user_id=person.user_id)
    same = found.filter(mailed_at=person.mailed_at) if person.mailed_at else found.filter(mailed_at__isnull=True)
    return bool(same.update(mailed_at=now))


def _send_or_postpone(
    connection: BaseEmailBackend, person: Preferences, found: list[tuple[RoomMissed, list[Missed]]], now: datetime
) -> bool:
    """Send one digest as `_send` does.

    One that fails comes again later, after those of others.
    """
    try:
        return _send(connection, person, found)
    except smtplib.SMTPDataError as error:  # about this mail: the server goes on
        is_final = error.smtp_code >= 500
        logger.warning("the mail server refuses a digest", user=person.user_id, code=error.smtp_code)
        outcomes.add(Way.MAIL, "refused" if is_final else "later")
        if not is_final:
            _postpone(person, now)
        return False
    except (OSError, smtplib.SMTPException):
        _postpone(person, now)
        raise
    except Exception:
        logger.exception("a digest could not be made", user=person.user_id)
        return False


def _postpone(person: Preferences, now: datetime) -> None:
    Preferences.objects.filter(user_id=person.user_id).update(mailed_at=now - PERIODS[person.digest] + AGAIN)


def _send(connection: BaseEmailBackend, person: Preferences, found: list[tuple[RoomMissed, list[Missed]]]) -> bool:
    """Send one digest.

    Raises SMTPDataError when the server refuses it, OSError or SMTPException when it takes none at all.
    """
    parts = [_part(room, messages) for room, messages in found]
    if parts:
        with translation.override(person.language):
            subject = _("What you missed in Hubbub")
            context = {"parts": parts[:ROOMS], "more": len(parts) > ROOMS, "url": settings.PUBLIC_URL}
            to = Link(person.user_id, person.email)
            one = mail.message(to, template="digest", subject=subject, context=context, language=person.language)
        try:
            connection.send_messages([one])
        except smtplib.SMTPRecipientsRefused as error:
            _refused(person, error)
            return False
        outcomes.add(Way.MAIL, "sent")
        progress = [Progress(room_id=part.id, user_id=person.user_id, mailed=part.last_seq) for part in parts]
        Progress.objects.bulk_create(progress, update_conflicts=True, unique_fields=["room", "user"], update_fields=["mailed"])
    return bool(parts)


def _refused(person: Preferences, error: smtplib.SMTPRecipientsRefused) -> None:
    """Note that a mail server has refused a person's address.

    An address that is refused for good gets no more mail; any other is tried again at the next period.
    """
    codes = [code for code, _reason in error.recipients.values()]
    is_final = any(500 <= code < 600 for code in codes)
    outcomes.add(Way.MAIL, "refused" if is_final else "later")
    changes = {"email_confirmed": False} if is_final else {}
    Preferences.objects.filter(user_id=person.user_id, email=person.email).update(mailed_at=timezone.now(), **changes)


def _part(room: RoomMissed, messages: list[Missed]) -> Part:
    shown = [one._replace(message=one.message._replace(text=one.message.text[:MOST_TEXT])) for one in messages[-LINES:]]
    title = messages[-1].message.author_name if room.direct else room.title or room.slug
    url = f"{settings.PUBLIC_URL}/chat/{room.slug}/{shown[0].message.seq}"
    return Part(room.id, title, url, shown, len(messages) - len(shown), messages[-1].message.seq)


def confirmation_send(user: int) -> bool:
    """Mail the link that confirms a person's address.

    Return whether there was anything to confirm.
    """
    person = Preferences.objects.filter(user_id=user, email_confirmed=False).exclude(email="").select_related("user").first()
    if person is None or not mail.is_on():
        return False
    to = Link(user, person.email)
    with translation.override(person.language):
        context = {"link": mail.confirm_link(to), "name": person.user.username}
        one = mail.message(
            to, template="confirm", subject=_("Confirm your e-mail address"), context=context, language=person.language
        )
    with mail.connection() as connection:
        connection.send_messages([one])
    outcomes.add(Way.MAIL, "confirm")
    outcomes.flush()
    return True
