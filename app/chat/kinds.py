"""The kinds of events in a room's log, and what amending ones do to a message."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from core.errors import Forbidden, NoSuchTarget, TooMany
from core.features import Context, EventKind, EventKinds
from core.words import words as _
from realtime import server_frames

# Different emoji on one message.
MAX_EMOJI = 20
Reactions = dict[str, list[int]]


class Message(msgspec.Struct, frozen=True, tag="message"):
    """A message in its present state.

    Its fields are columns; it has no `data`.
    """

    text: str
    edited: bool = False
    deleted: bool = False
    # Emoji → the people who reacted with it, in the order in which they did.
    reactions: Reactions = {}


class MessageEdited(msgspec.Struct, frozen=True, tag="message.edited"):
    # Not stored with the event, so that a deletion leaves nothing behind: a replay carries the message's present text.
    text: str


class MessageDeleted(msgspec.Struct, frozen=True, tag="message.deleted"):
    pass


class Reaction(msgspec.Struct, frozen=True, tag="reaction"):
    emoji: str
    on: bool


def edit(message: Message, change: MessageEdited, author: int, context: Context) -> Message:
    """Replace the text.

    Only its author may.
    """
    _refuse_deleted(message)
    if author != context.target_author:
        raise Forbidden(_("only its author edits a message"))
    return msgspec.structs.replace(message, text=change.text, edited=True)


def delete(message: Message, change: MessageDeleted, author: int, context: Context) -> Message:
    """Empty the message.

    Its author and the room's owners may.
    """
    _refuse_deleted(message)
    if author != context.target_author and not context.is_owner:
        raise Forbidden(_("only its author and the room's owners delete a message"))
    return Message(text="", edited=message.edited, deleted=True)


def react(message: Message, change: Reaction, author: int, context: Context) -> Message:
    """Add or take back a reaction.

    Doing either twice changes nothing.
    """
    _refuse_deleted(message)
    people = message.reactions.get(change.emoji, [])
    if (author in people) == change.on:
        return message
    if change.on and not people and len(message.reactions) >= MAX_EMOJI:
        raise TooMany(_("a message takes {most} different emoji", most=MAX_EMOJI))
    now = [*people, author] if change.on else [person for person in people if person != author]
    reactions = {**message.reactions, change.emoji: now}
    return msgspec.structs.replace(message, reactions={emoji: who for emoji, who in reactions.items() if who})


def _refuse_deleted(message: Message) -> None:
    if message.deleted:
        raise NoSuchTarget(_("the message was deleted"))


class Quote(msgspec.Struct):
    """The message that a message answers, as it reads now."""

    seq: Annotated[int, msgspec.Meta(ge=1)]
    sender: server_frames.Person = msgspec.field(name="from")
    text: Annotated[str, msgspec.Meta(max_length=200)] = msgspec.field()
    # Of a bot only: the name that its message shows.
    alias: str | msgspec.UnsetType = msgspec.UNSET


class MessageShown(msgspec.Struct):
    """A message on the wire."""

    text: str
    edited: bool
    deleted: bool
    reactions: Reactions
    # Each only where there is any.
    reply_to: Quote | msgspec.UnsetType = msgspec.UNSET
    mentions: Annotated[list[int], msgspec.Meta(min_length=1, max_length=20)] | msgspec.UnsetType = msgspec.UNSET
    alias: str | msgspec.UnsetType = msgspec.UNSET
    # A program wrote it: of a webhook, or the server in the name of the author.
    bot: Literal[True] | msgspec.UnsetType = msgspec.UNSET


MESSAGE = EventKind(payload=Message, wire=MessageShown, listed=True, counts=True, carries_parts=True)
# These three say what changed, and not their target's new state.
EDITED = EventKind(payload=MessageEdited, amends=Message, apply=edit, carries_state=False)
DELETED = EventKind(payload=MessageDeleted, amends=Message, apply=delete, carries_state=False)
REACTION = EventKind(
    payload=Reaction,
    amends=Message,
    apply=react,
    public=lambda reaction: {"emoji": reaction.emoji, "on": reaction.on},
    wire=Reaction,
    carries_state=False,
)
# Those of the features that are on, too: config/features.py registers them.
KINDS = EventKinds((MESSAGE, EDITED, DELETED, REACTION))


def counts(kind: str, target: int | None) -> bool:
    """Say whether an event makes its room unread.

    An unknown kind does unless it amends another event.
    """
    known = KINDS.get(kind)
    return target is None if known is None else known.counts


def apply(kind: EventKind, state: Any, payload: Any, author: int, context: Context) -> Any:
    """Return the target's new state.

    Raises FrameRefused; NoSuchTarget where `state` is of another kind.
    """
    assert kind.apply is not None
    if type(state) is not kind.amends:
        raise NoSuchTarget(_("{kind} has no such target", kind=kind.name))
    return kind.apply(state, payload, author, context)


def state_of(row: Any) -> Any:
    """Return the present state that a row holds; None for a kind that nothing amends."""
    if row.kind == MESSAGE.name:
        return Message(row.text, row.edited, row.deleted, row.reactions)
    if row.state is not None:
        return row.state
    known = KINDS.get(row.kind)
    if known is None or known.amends is not None:
        return None
    fields = {**(row.data or {}), "text": row.text} if known.has_text else row.data or {}
    return msgspec.convert({"type": known.name, **fields}, known.payload)


def public_state(row: Any) -> dict[str, Any] | None:
    """Return a thing's present state as sent to clients.

    None for a message, an event that amends another, or an unknown kind.
    """
    known = KINDS.get(row.kind)
    if known is None or known is MESSAGE or known.amends is not None:
        return None
    return known.shown(state_of(row))


def with_state(row: Any, state: Any) -> Any:
    """Return the row with another state.

    That of a thing is not encoded yet: many events of one commit may change it.
    """
    if isinstance(state, Message):
        return row._replace(text=state.text, edited=state.edited, deleted=state.deleted, reactions=state.reactions)._replace(
            # Nothing of a deleted message is left.
            **({"data": None} if state.deleted else {})
        )
    return row._replace(state=state)


def as_stored(row: Any) -> Any:
    """Return the row with its state in its columns."""
    if row.state is None:
        return row
    kind = KINDS[row.kind]
    text = {"text": row.state.text} if kind.has_text else {}
    return row._replace(data=kind.data_of(row.state), state=None, **text)
