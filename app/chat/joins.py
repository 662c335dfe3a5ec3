"""The page of a join.

Joins that come together share their trips to the database, and the page where they read the same.
"""

from __future__ import annotations

from typing import NamedTuple

from chat import history
from core.errors import NotAMember
from core.limits import LIMITS, Limits
from core.words import words as _
from db.batch_loader import BatchLoader
from db.queries import Query, Statement
from db.shared_reads import SharedReads
from realtime.publish import LogEvent, Page, RoomRef
from rooms import access, counting
from rooms.models import Room


async def page_of(user: int, room: RoomRef, after: int | None, limits: Limits = LIMITS) -> Page:
    """What a join of `room` brings, as of a head that is read after the call.

    Raises NotAMember, DatabaseUnavailable.
    """
    head, member_count = await _state_for(user, room)
    events: list[LogEvent] = []
    more = False
    if head > (after or 0):
        most = limits.latest_messages if after is None else limits.page_events
        events, more = await _pages(PageKey(room, after, head, most), user)
        await _state_for(user, room)  # again: the membership may have ended, and the page is shown now
    return Page(head, events, more, complete=after is None or not more, member_count=member_count)


class PageKey(NamedTuple):
    room: RoomRef
    after: int | None
    head: int
    most: int


def _read_page(key: PageKey) -> tuple[list[LogEvent], bool]:
    if key.after is None:
        return history.latest_page(key.room, key.head, key.most)
    return history.resume_page(key.room, key.after, key.head, key.most)


async def _state_for(user: int, room: RoomRef) -> tuple[int, int]:
    """(head, number of members).

    Raises NotAMember.
    """
    state = await _states((room.id, user), owner=user)
    if state is None:
        raise NotAMember(_("you are not a member of {room}", room=room.slug))
    return state


def _answer_states(pairs: list[tuple[int, int]]) -> Query[dict[tuple[int, int], tuple[int, int]]]:
    """(room, user) → (head, number of members), of those who are members."""
    counts = yield from counting.counts_of({room for room, _ in pairs})
    heads = yield _HEADS([room for room, _ in pairs], [user for _, user in pairs])
    return {(room, user): (head, counts[room]) for room, user, head in heads}


def _read_heads(rooms: list[int], users: list[int]) -> list[tuple[int, int, int]]:
    """(room, user, head) of those who are members.

    The membership is read last.
    """
    heads = dict(Room.objects.filter(id__in=set(rooms)).values_list("id", "head"))
    members = access.members_among(zip(rooms, users, strict=True))
    return [(room, user, heads[room]) for room, user in members if room in heads]


_HEADS = Statement(
    "SELECT member.room_id, member.user_id, room.head"
    " FROM rooms_membership AS member JOIN rooms_room AS room ON room.id = member.room_id"
    " WHERE (member.room_id, member.user_id) IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[]))",
    _read_heads,
)


_states = BatchLoader(_answer_states)
_pages = SharedReads(_read_page)
