"""Web Push: notify people of messages that none of their devices has shown.

The background worker looks for such messages every few seconds. Its position is stored in the database, so commits of a
process that died and messages that came while no worker ran cause notifications, too. A person gets the newest message of each
room: a newer notification replaces the older one anyway. If a push service does not take a push, it is tried again for RETRY.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db.models import Q
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from features.notifications import lease, outcomes, push, reads, vapid
from features.notifications.claims import Claim, claimed_among
from features.notifications.missed import Missed, RoomMissed, missed, people_of
from features.notifications.models import Device, Progress
from features.notifications.push import PushResult, Result, Subscription
from features.notifications.quiet import is_quiet
from features.notifications.reads import PersonRead
from features.notifications.sending import Push, Sender
from features.notifications.services import good_devices
from features.notifications.table import Fact, Reason, Way, tells
from rooms.models import Room

logger = structlog.get_logger(__name__)

EVERY_S = 2.0
# A commit may be as much later than its event's time.
OVERLAP = timedelta(seconds=30)
# What is older when a worker comes back is left to the digest.
OLDEST = timedelta(days=1)
# How long a push is tried again, while later messages go on.
RETRY = timedelta(minutes=10)
# A device whose service refuses for so long is removed.
FAILING = timedelta(days=7)
# Requests of one sweep.
MANY = 2_000
MOST_TEXT = 200
# A sweep sends for so long at most, below the lease. Without an answer for PATIENCE_S it leaves the requests under way
# to the next sweep.
DEADLINE_S, PATIENCE_S = 6.0, 1.0
# After so long of sending the answers are stored.
STEP_S = 0.25
REMEMBERED = 20_000


class _Sent:
    """Pushes that need no further try: sent, or refused for good.

    While one device of a person is retried, the other devices get no second notification.
    """

    def __init__(self) -> None:
        self._keys: OrderedDict[tuple[int, int, int], None] = OrderedDict()

    def add(self, push: Push) -> None:
        self._keys[push.key] = None
        if len(self._keys) > REMEMBERED:
            self._keys.popitem(last=False)

    def __contains__(self, push: Push) -> bool:
        return push.key in self._keys


_sender, _sent = Sender(), _Sent()


def sweep() -> int:
    """Push what is due, and return how many devices were told."""
    if vapid.pair() is None:
        return 0
    now = timezone.now()
    until = now - timedelta(seconds=settings.PUSH_AFTER_S)
    at = lease.hold("push", until - OVERLAP)
    if at is None:
        return 0
    since = max(at - OVERLAP, now - OLDEST)
    rooms = list(missed(Room.objects.filter(last_at__gt=since), _with_device, since=since, until=until, way=0))
    pushes, considered = _decide(rooms, now) if rooms else ([], {})
    sent, waiting = _deliver(pushes, considered, now)
    _move(at, min([until, *(one.at - timedelta(seconds=1) for one in waiting)]), now)
    return sent


def _with_device(column: str) -> Q:
    return Q(**{f"{column}__in": Device.objects.values("user_id")})


def _move(at: datetime, to: datetime, now: datetime) -> None:
    """Move on; what is tried again holds the place for RETRY.

    Seldom, as each time is a write.
    """
    to = max(to, now - RETRY)
    if to - at > OVERLAP / 2:
        lease.move("push", to)


def _decide(rooms: list[RoomMissed], now: datetime) -> tuple[list[Push], dict[tuple[int, int], int]]:
    """Return the pushes, and the last message considered for each (room, person)."""
    people = people_of(rooms)
    pairs = [(room, user, found) for room in rooms for user, found in room.people.items()]
    claimed = claimed_among([Claim(user, room.id, one.message.seq) for room, user, found in pairs for one in found])
    devices: dict[int, list[Device]] = {}
    active = Device.objects.filter(user_id__in={user for _, user, _ in pairs}, user__is_active=True)
    for device in good_devices(active):
        devices.setdefault(device.user_id, []).append(device)
    pushes: list[Push] = []
    considered: dict[tuple[int, int], int] = {}
    for room, user, found in pairs:
        considered[room.id, user] = found[-1].message.seq
        chosen = _newest(found, user, people[user], {one.seq for one in claimed if (one.user, one.room) == (user, room.id)}, now)
        if chosen is None:
            outcomes.add(Way.PUSH, "silent")
            continue
        pushes += [one for device in devices.get(user, ()) if (one := _push(device, room, chosen)) and one not in _sent]
    # Those that are left out come first in the next sweep.
    pushes.sort(key=lambda one: one.at)
    for one in pushes[MANY:]:
        considered.pop((one.room, one.device.user_id), None)
    return pushes[:MANY], considered


def _newest(found: list[Missed], user: int, person: PersonRead, claimed: set[int], now: datetime) -> Missed | None:
    """Return the newest message to notify the person of."""
    for one in reversed(found):
        message = one.message
        facts = {
            Fact.OWN: message.is_own(user),
            Fact.BLOCKED: message.author in person.blocked,
            Fact.DELETED: message.deleted,
            Fact.CLAIMED: message.seq in claimed,
            Fact.QUIET: is_quiet(person.quiet, now),
        }
        if tells(Way.PUSH, {fact for fact, holds in facts.items() if holds}):
            return one
        if message.seq in claimed:  # a device has shown a newer one than all before
            return None
    return None


def _push(device: Device, room: RoomMissed, one: Missed) -> Push | None:
    """Return the notification for a device; None for a message older than the device."""
    message = one.message
    if message.at < device.created_at:
        return None
    with translation.override(device.language):
        where = room.title or room.slug
        title = message.author_name if room.direct else _("%(name)s in %(room)s") % {"name": message.author_name, "room": where}
        body = message.text[:MOST_TEXT] or _("New message")
    payload = {
        "room": room.slug,
        "seq": message.seq,
        "title": title,
        "body": body,
        "url": f"/chat/{room.slug}/{message.seq}",
        "tag": f"room-{room.slug}",
    }
    return Push(device, room.id, message.seq, message.at, payload, one.reason != Reason.ALL)


def _deliver(pushes: list[Push], considered: dict[tuple[int, int], int], now: datetime) -> tuple[int, list[Push]]:
    """Send pushes and store what became of them.

    Return how many were sent, and those to be tried again. Store
    in parts: a process that takes over after a crash repeats few pushes.
    """
    open_pushes = {one.key: one for one in pushes}
    left = Counter(_place(one) for one in pushes)
    _note(considered, [place for place in considered if not left[place]])
    sent, begun = 0, time.monotonic()
    answered = begun
    _sender.add(pushes)
    while not _sender.is_idle and min(begun + DEADLINE_S, answered + PATIENCE_S) > time.monotonic() and lease.renew("push"):
        answers = _sender.run(STEP_S)
        if not answers:
            continue
        answered = time.monotonic()
        done: list[tuple[int, int]] = []
        for one, answer in answers:
            sent += answer.result == Result.SENT
            if answer.result != Result.LATER:
                _sent.add(one)
            elif one.at > now - RETRY:
                continue
            if open_pushes.pop(one.key, None) is not None:
                left[_place(one)] -= 1
                if not left[_place(one)]:
                    done.append(_place(one))
        _note(considered, done)
        devices_settle([(one.device, answer) for one, answer in answers], now)
    if dropped := _sender.drop_waiting():
        outcomes.add(Way.PUSH, str(Result.LATER), dropped)
    waiting = [one for one in open_pushes.values() if one.at > now - RETRY]
    given_up = {_place(one) for one in open_pushes.values()} - {_place(one) for one in waiting}
    _note(considered, list(given_up))
    return sent, waiting


def _place(one: Push) -> tuple[int, int]:
    return (one.room, one.device.user_id)


def _note(considered: dict[tuple[int, int], int], places: list[tuple[int, int]]) -> None:
    """Store that people were told of a room, as far as all of it was considered."""
    progress = [Progress(room_id=at[0], user_id=at[1], pushed=considered[at]) for at in places if at in considered]
    Progress.objects.bulk_create(progress, update_conflicts=True, unique_fields=["room", "user"], update_fields=["pushed"])


def devices_settle(results: Iterable[tuple[Device, PushResult]], now: datetime) -> None:
    """Count answers, remove ended devices, and record failing ones."""
    by_result: dict[Result, set[int]] = {}
    for device, answer in results:
        outcomes.add(Way.PUSH, str(answer.result))
        by_result.setdefault(answer.result, set()).add(device.id)
        if answer.result in {Result.REFUSED, Result.LATER}:
            logger.info("a push service refuses", host=urlsplit(device.endpoint).netloc, answer=answer.detail)
    Device.objects.filter(id__in=by_result.get(Result.GONE, ())).delete()
    failed = by_result.get(Result.REFUSED, set()) | by_result.get(Result.LATER, set())
    Device.objects.filter(id__in=failed, failing_since__isnull=True).update(failing_since=now)
    Device.objects.filter(id__in=failed, failing_since__lt=now - FAILING).delete()
    Device.objects.filter(id__in=by_result.get(Result.SENT, set()) - failed, failing_since__isnull=False).update(
        failing_since=None
    )


def try_devices(user: int) -> Counter[str]:
    """Send a push to each device of a person, to try them.

    Return how many ended how.
    """
    if vapid.pair() is None:
        return Counter()
    devices = good_devices(Device.objects.filter(user_id=user))
    answers = asyncio.run(_send_tests(devices)) if devices else []
    devices_settle(zip(devices, answers, strict=True), timezone.now())
    outcomes.flush()
    return Counter(str(answer.result) for answer in answers)


async def _send_tests(devices: list[Device]) -> list[PushResult]:
    async def send(device: Device) -> PushResult:
        with translation.override(device.language):
            payload = {
                "room": "",
                "seq": 0,
                "title": "Hubbub",
                "body": _("Notifications reach this device."),
                "url": "/",
                "tag": "test",
            }
        return await push.send(
            Subscription(device.endpoint, device.p256dh, device.auth), payload, topic=push.topic_of("test"), urgent=True
        )

    return list(await asyncio.gather(*map(send, devices)))


def run() -> None:
    """Run once, for the background worker."""
    if Device.objects.exists() and not reads.is_off():
        sweep()
        outcomes.flush()
