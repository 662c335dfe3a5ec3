"""A database as the release before the kinds of events left it.

This release then reads it.
"""

import json

from tests.support.server import manage

BEFORE = (("chat", "0005"), ("rooms", "0008"))
AT = "2026-01-01 00:00:00+00:00"
USER = f"""
    INSERT INTO accounts_user (
        id, username, name_key, password, is_superuser, first_name, last_name, email, is_staff, is_active, date_joined
    ) VALUES (1, 'ada', 'ada', '', false, '', '', '', false, true, '{AT}')
"""
EVENTS = f"""
    INSERT INTO chat_event (room_id, seq, kind, author_id, key, at, text, alias, edited, deleted, reactions)
    VALUES (1, 1, 'message', 1, 'k1', '{AT}', 'hi', '', false, false, '{{}}'),
        (1, 2, 'message', 1, 'k2', '{AT}', 'hi', '', false, false, '{{}}'),
        (1, 3, 'message', 1, 'k3', '{AT}', 'hi', '', false, false, '{{}}')
"""
_REACT = """
import asyncio, json
from chat.batch import PendingEvent, Stored
from chat.kinds import REACTION, Reaction
from chat.group_commit import writer
from realtime.publish import RoomRef
from rooms import listing
async def store(key, **fields):
    append = PendingEvent(room=RoomRef(1, "lobby", direct=False), author=1, author_name="ada", key=key, **fields)
    (result,) = await writer()._store.store([append])
    assert isinstance(result, Stored), result
    await writer().close()
like = Reaction("👍", on=True)
asyncio.run(store("like", kind="reaction", target=1, payload=like, data=REACTION.data_of(like)))
{more}
room = listing.room_for(1, "lobby")
print(json.dumps([room[name] for name in ("head", "upto", "unread")]))
"""
WRITE = 'asyncio.run(store("late", text="late"))'


def member(last_read_seq: int) -> str:
    """The statement that makes a member of the lobby who has read that far."""
    columns = "room_id, user_id, role, upto, joined_at, silenced"
    return f"INSERT INTO rooms_membership ({columns}) VALUES (1, 1, 'owner', {last_read_seq}, '{AT}', false)"


def react(env: dict[str, str], more: str = "") -> tuple[int, int, int]:
    """React to the first message; return the member's (head, last_read_seq, unread).

    The reaction is permanent: call this once.
    """
    printed = manage("shell", "-v", "0", "-c", _REACT.format(more=more), env=env).strip().splitlines()
    head, last_read_seq, unread = json.loads(printed[-1])
    return head, last_read_seq, unread


def migrate_before(env: dict[str, str]) -> None:
    """As that release did."""
    for app, name in BEFORE:
        manage("migrate", app, name, env=env)
