"""What edits, deletions and reactions do to a message: the pure functions."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import kinds
from chat.encoding import LISTED_PEOPLE, EventRow, log_event
from chat.kinds import MAX_EMOJI, Message, MessageDeleted, MessageEdited, Reaction
from core.errors import Forbidden, FrameRefused, NoSuchTarget, TooMany
from core.features import Context

pytestmark = pytest.mark.once

AUTHOR, OTHER = 1, 2
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HI = Message("hi")
EDIT, DELETE, LIKE = MessageEdited("ho"), MessageDeleted(), Reaction("👍", on=True)


def after(change: Any, *, by: int = AUTHOR, owner: bool = False, message: Message = HI) -> Message:
    kind = kinds.KINDS[type(change).__struct_config__.tag]
    changed: Message = kinds.apply(kind, message, change, by, Context(AUTHOR, owner, NOW))
    return changed


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        (EDIT, {"author", "author who owns the room"}),
        (DELETE, {"author", "author who owns the room", "owner"}),
        (LIKE, {"author", "author who owns the room", "owner", "member"}),
    ],
    ids=["edit", "delete", "react"],
)
def test_permissions_of_amending_kinds(change: Any, allowed: set[str]) -> None:
    people = {
        "author": (AUTHOR, False), "author who owns the room": (AUTHOR, True), "owner": (OTHER, True), "member": (OTHER, False),
    }  # fmt: skip
    for who, (person, owner) in people.items():
        if who in allowed:
            assert after(change, by=person, owner=owner) != HI
        else:
            with pytest.raises(Forbidden):
                after(change, by=person, owner=owner)


def test_edit_replaces_the_text_and_keeps_reactions() -> None:
    liked = after(LIKE, by=OTHER)
    assert after(EDIT, message=liked) == Message("ho", edited=True, reactions={"👍": [OTHER]})


def test_delete_leaves_nothing_of_the_message() -> None:
    gone = after(DELETE, message=after(EDIT, message=after(LIKE)))
    assert gone == Message("", edited=True, deleted=True, reactions={})


@pytest.mark.parametrize("change", [EDIT, DELETE, LIKE], ids=["edit", "delete", "react"])
def test_deleted_message_is_no_target(change: Any) -> None:
    with pytest.raises(NoSuchTarget):
        after(change, owner=True, message=after(DELETE))


def test_event_without_state_is_no_target() -> None:
    row = EventRow(2, "reaction", AUTHOR, "ada", "k", None, target=1)  # type: ignore[arg-type]
    with pytest.raises(NoSuchTarget):
        kinds.apply(kinds.EDITED, kinds.state_of(row), EDIT, AUTHOR, Context(AUTHOR, is_owner=False, at=NOW))


def test_message_takes_a_bounded_number_of_emoji() -> None:
    many = [chr(ord("😀") + number) for number in range(MAX_EMOJI + 1)]
    message = HI
    for emoji in many[:-1]:
        message = after(Reaction(emoji, on=True), message=message)
    with pytest.raises(TooMany):
        after(Reaction(many[-1], on=True), message=message)
    assert after(Reaction(many[0], on=True), by=OTHER, message=message).reactions[many[0]] == [AUTHOR, OTHER]
    fewer = after(Reaction(many[0], on=False), message=message)
    assert many[0] not in fewer.reactions
    assert many[-1] in after(Reaction(many[-1], on=True), message=fewer).reactions


def test_frame_lists_a_bounded_number_of_people() -> None:
    row = EventRow(1, "message", AUTHOR, "ada", "k", None, "hi", reactions={"👍": list(range(5_000))})  # type: ignore[arg-type]
    assert log_event(row, "room").text.endswith(f"{LISTED_PEOPLE - 2},{LISTED_PEOPLE - 1}]}}}}")


changes = st.one_of(
    st.builds(MessageEdited, st.text(min_size=1)),
    st.just(DELETE),
    st.builds(Reaction, st.sampled_from(["👍", "❤", "😀"]), st.booleans()),
)


@given(st.lists(st.tuples(changes, st.integers(1, 3), st.booleans())))
def test_state_is_that_of_a_simple_model(steps: list[tuple[Any, int, bool]]) -> None:
    message, text, deleted, liked = HI, "hi", False, set[tuple[str, int]]()
    for change, who, owner in steps:
        may = {"message.edited": who == AUTHOR, "message.deleted": who == AUTHOR or owner, "reaction": True}
        allowed = may[change.__struct_config__.tag] and not deleted
        if not allowed:
            with pytest.raises(FrameRefused):
                after(change, by=who, owner=owner, message=message)
            continue
        message = after(change, by=who, owner=owner, message=message)
        if isinstance(change, MessageEdited):
            text = change.text
        elif isinstance(change, MessageDeleted):
            text, deleted, liked = "", True, set()
        else:
            (liked.add if change.on else liked.discard)((change.emoji, who))
        assert (message.text, message.deleted) == (text, deleted)
        assert {(emoji, person) for emoji, people in message.reactions.items() for person in people} == liked
        assert all(people and len(people) == len(set(people)) for people in message.reactions.values())
