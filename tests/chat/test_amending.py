"""Group commits with edits, deletions and reactions; the same for every store."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.conf import settings
from django.db import close_old_connections, connection

from accounts.models import User
from chat import history, kinds
from chat.batch import CannotStore, PendingEvent, Result, Stored
from chat.kinds import MessageDeleted, MessageEdited, Reaction
from chat.models import Event
from chat.store_orm import OrmStore
from chat.store_postgres import PostgresStore
from core.errors import FrameRefused
from db import database
from realtime.publish import RoomRef
from rooms.models import Membership, Role, Room

pytestmark = pytest.mark.django_db(transaction=True)

STORES = [OrmStore, PostgresStore] if connection.vendor == "postgresql" else [OrmStore]
Store = OrmStore | PostgresStore
DELETE = MessageDeleted()


class World:
    """Two rooms; Olga owns them, Ada and Bob are members, Eve is none."""

    def __init__(self) -> None:
        names = ("olga", "ada", "bob", "eve")
        self.olga, self.ada, self.bob, self.eve = (User.objects.create(username=name) for name in names)
        self.rooms = []
        for slug in ("one", "two"):
            room = Room.objects.create(slug=slug)
            self.rooms.append(RoomRef(room.id, room.slug, direct=False))
            for user in (self.olga, self.ada, self.bob):
                role = Role.OWNER if user is self.olga else Role.MEMBER
                Membership.objects.create(room=room, user=user, role=role)

    def message(self, user: User, key: str, text: str = "hi", room: int = 0) -> PendingEvent:
        return PendingEvent(room=self.rooms[room], author=user.id, author_name=user.username, key=key, text=text)

    def amend(self, user: User, key: str, target: int, payload: Any, room: int = 0) -> PendingEvent:
        kind = kinds.KINDS[type(payload).__struct_config__.tag]
        return PendingEvent(
            room=self.rooms[room], author=user.id, author_name=user.username, key=key, text=getattr(payload, "text", ""),
            kind=kind.name, target=target, payload=payload, data=kind.data_of(payload),
        )  # fmt: skip


@pytest.fixture
async def world() -> World:
    return await database.run(World)


@pytest.fixture(params=STORES, ids=lambda store: store.__name__)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    made: Store = request.param()
    yield made
    await made.close()
    # The database threads keep their connections; the test database could not be dropped under them.
    await asyncio.gather(*(database.run(close_old_connections) for _ in range(settings.DATABASE_THREADS)))


def said(results: list[Result]) -> list[int | str]:
    """The seq of each, negative for a duplicate; the code of a refusal."""
    return [_said(result) for result in results]


def _said(result: Result) -> int | str:
    if isinstance(result, Stored):
        return -result.seq if result.duplicate else result.seq
    assert isinstance(result, FrameRefused), result
    return result.code


async def state(room: RoomRef, seq: int = 1) -> tuple[str, bool, bool, dict[str, list[int]]]:
    found = Event.objects.filter(room_id=room.id, seq=seq).values_list("text", "edited", "deleted", "reactions")
    row: tuple[str, bool, bool, dict[str, list[int]]] = await database.run(found.get)
    return row


async def test_amending_events_take_seqs_and_change_the_target(store: Store, world: World) -> None:
    await store.store([world.message(world.ada, "m")])
    results = await store.store([
        world.amend(world.ada, "e", 1, MessageEdited("ho")),
        world.message(world.bob, "between"),
        world.amend(world.bob, "r", 1, Reaction("👍", on=True)),
        world.amend(world.olga, "s", 1, Reaction("👍", on=True)),
    ])  # fmt: skip
    assert said(results) == [2, 3, 4, 5]
    assert await state(world.rooms[0]) == ("ho", True, False, {"👍": [world.bob.id, world.olga.id]})
    assert await state(world.rooms[0], 3) == ("hi", False, False, {})
    texts = [result.event.text for result in results if isinstance(result, Stored)]
    assert '"type":"message.edited"' in texts[0]
    assert '"target":1,"text":"ho"}' in texts[0]
    assert '"type":"reaction"' in texts[2]
    assert '"target":1,"emoji":"👍","on":true}' in texts[2]
    found = await history.events({world.rooms[0].id: (0, 9)})
    assert [json.loads(event.text) for event in found[world.rooms[0].id]][1:] == list(map(json.loads, texts))


async def test_refused_event_takes_no_seq_and_fails_alone(store: Store, world: World) -> None:
    await store.store([world.message(world.ada, "m")])
    results = await store.store([
        world.amend(world.bob, "a", 1, MessageEdited("mine")),
        world.amend(world.bob, "b", 1, DELETE),
        world.amend(world.bob, "c", 9, Reaction("👍", on=True)),
        world.amend(world.eve, "d", 1, Reaction("👍", on=True)),
        world.amend(world.ada, "e", 1, MessageEdited("ho"), room=1),
        world.message(world.bob, "f"),
        world.amend(world.ada, "g", 1, MessageEdited("ho")),
        world.amend(world.ada, "h", 3, DELETE),
    ])  # fmt: skip
    gone, foreign = "no_such_target", "forbidden"
    assert said(results) == [foreign, foreign, gone, "not_a_member", gone, 2, 3, gone]
    assert await state(world.rooms[0]) == ("ho", True, False, {})


async def test_owner_deletes_and_no_text_is_left(store: Store, world: World) -> None:
    await store.store([world.message(world.ada, "m", "first secret")])
    await store.store([world.amend(world.ada, "e", 1, MessageEdited("second secret"))])
    (deleted,) = await store.store([world.amend(world.olga, "d", 1, DELETE)])
    assert said([deleted]) == [3]
    rows = await database.run(lambda: str(list(Event.objects.values())))
    assert "secret" not in rows
    assert await state(world.rooms[0]) == ("", True, True, {})


async def test_key_of_an_amending_event_is_stored_once(store: Store, world: World) -> None:
    await store.store([world.message(world.ada, "m"), world.message(world.ada, "other")])
    edit = world.amend(world.ada, "k", 1, MessageEdited("ho"))
    assert said(await store.store([edit, edit])) == [3, -3]
    later = [
        world.amend(world.ada, "k", 1, MessageEdited("late")),
        world.amend(world.ada, "k", 2, DELETE),
        world.message(world.ada, "k"),
        world.amend(world.ada, "m", 2, DELETE),
    ]
    assert said(await store.store(later)) == [-3, -3, -3, -1]
    assert said(await store.store([world.message(world.ada, "k")])) == [-3]
    assert await state(world.rooms[0]) == ("ho", True, False, {})
    assert await state(world.rooms[0], 2) == ("hi", False, False, {})


async def test_row_at_fault_takes_nothing_of_its_batch_along(store: Store, world: World) -> None:
    await store.store([world.message(world.ada, "m")])
    good = world.amend(world.ada, "e", 1, MessageEdited("ho"))
    for bad in (world.message(world.ada, "b", "lone \ud800"), world.amend(world.ada, "b", 1, MessageEdited("\ud800"))):
        with pytest.raises(CannotStore):
            await store.store([good, bad])
        assert await state(world.rooms[0]) == ("hi", False, False, {})
    assert said(await store.store([good])) == [2]


async def test_ordinals_count_messages_only(store: Store, world: World) -> None:
    room = world.rooms[0]
    await store.store([world.message(world.ada, "m")])
    before = await database.run(Room.objects.get, id=room.id)
    await store.store([world.amend(world.bob, f"r{number}", 1, Reaction("👍", on=True)) for number in range(3)])
    amended = await database.run(Room.objects.get, id=room.id)
    await store.store([world.message(world.bob, "n"), world.amend(world.ada, "e", 1, MessageEdited("ho"))])
    await store.store([world.message(world.bob, "o")])
    after = await database.run(Room.objects.get, id=room.id)
    assert [(found.head, found.uncounted) for found in (before, amended, after)] == [(1, 0), (4, 3), (7, 4)]
    rows = Event.objects.filter(room_id=room.id).order_by("seq").values_list("uncounted", flat=True)
    assert await database.run(list, rows) == [0, 1, 2, 3, 3, 4, 4]
    assert amended.last_at == before.last_at
    assert after.last_at is not None
    assert before.last_at is not None
    assert after.last_at > before.last_at
    assert (before.amended_at, amended.amended_at is None) == (None, False)


async def test_concurrent_amendments_are_all_applied(store: Store, world: World) -> None:
    other: Store = type(store)()  # as another process would
    await store.store([world.message(world.ada, "m"), world.message(world.ada, "n", room=1)])
    emoji = [chr(ord("😀") + number) for number in range(6)]
    try:
        batches = [
            [
                world.amend(user, f"{face}{turn}", 1, Reaction(face, on=True), room=turn % 2),
                world.message(user, f"m{face}{turn}", room=(turn + 1) % 2),
                world.amend(world.ada, f"e{user.id}{face}{turn}", 1, MessageEdited(f"{face}{turn}"), room=turn % 2),
            ]
            for turn, face in enumerate(emoji * 2)
            for user in (world.bob, world.olga)
        ]
        results = await asyncio.gather(*((store, other)[index % 2].store(batch) for index, batch in enumerate(batches)))
    finally:
        await other.close()
    assert all(isinstance(result, Stored) for batch in results for result in batch)
    for index, room in enumerate(world.rooms):
        text, edited, _, reactions = await state(room)
        assert edited
        assert {face: set(people) for face, people in reactions.items()} == {
            face: {world.bob.id, world.olga.id} for face in emoji[index::2]
        }
        rows = await database.run(list, Event.objects.filter(room_id=room.id).order_by("seq").values_list("seq", "kind"))
        assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1))
        last = max((result for batch in results for result in batch if isinstance(result, Stored) and result.room == room
                    and '"message.edited"' in result.event.text), key=lambda result: result.seq)  # fmt: skip
        assert f'"text":"{text}"' in last.event.text


async def test_pages_show_messages_in_their_present_state(store: Store, world: World) -> None:
    room = world.rooms[0]
    await store.store([world.message(world.ada, "m", "old"), world.message(world.bob, "n")])
    await store.store([world.amend(world.ada, text, 1, MessageEdited(text)) for text in ("older", "new")])
    await store.store([world.amend(world.bob, "d", 2, DELETE), world.message(world.bob, "o")])
    pages = await database.run(lambda: (history.latest_page(room, 6)[0], history.resume_page(room, 2, 6)[0]))
    latest, resumed = ([(event.seq, event.text) for event in page] for page in pages)
    assert [seq for seq, _ in latest] == [1, 2, 6]
    assert '"text":"new"' in latest[0][1]
    assert '"text":""' in latest[1][1]
    assert '"deleted":true' in latest[1][1]
    assert [seq for seq, _ in resumed] == [3, 4, 5, 6]
    assert all('"target":1,"text":"new"}' in text for _, text in resumed[:2])
    assert '"target":2}' in resumed[2][1]
