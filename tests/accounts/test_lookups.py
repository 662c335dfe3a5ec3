"""Look-ups of credentials give the same result in every way to ask the database."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import close_old_connections
from django.utils import timezone

from accounts import credentials
from accounts.models import ApiToken, Ticket, User
from accounts.services import digest_of, session_mark, session_named, ticket_create, token_create
from db import database, queries
from db.pool import Pool
from db.queries import Query, by_orm
from realtime.publish import Person, RoomRef
from rooms import access
from rooms.models import Kind, Membership, Room

pytestmark = pytest.mark.django_db(transaction=True)

Ask = Callable[[Query[Any]], Awaitable[Any]]
UNKNOWN = ["", "unknown", "%", "'", "é", "x" * 300, *(secrets.token_hex(32) for _ in range(20))]


async def in_a_thread(answer: Query[Any]) -> Any:
    return await database.run(by_orm, answer)


async def on_the_loop(answer: Query[Any]) -> Any:
    pool = Pool("test", 1)
    try:
        return await queries.by(pool, answer)
    finally:
        await pool.close()


WAYS = [in_a_thread, on_the_loop] if queries.on_the_loop() else [in_a_thread]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
async def ask(request: pytest.FixtureRequest) -> AsyncIterator[Ask]:
    yield request.param
    # The database threads keep their connections, which would block dropping the test database.
    await asyncio.gather(*(database.run(close_old_connections) for _ in range(settings.DATABASE_THREADS)))


def make_user(name: str, **fields: Any) -> User:
    user = User(username=name, **fields)
    user.set_password("a good horse")
    user.save()
    return user


def session_of(user: User, **other: str) -> str:
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.update(other)
    session.create()
    return str(session.session_key)


async def test_token_look_up_is_equal_in_every_way(ask: Ask) -> None:
    def prepare() -> tuple[dict[str, Any], list[str]]:
        known = {}
        for name in ("ada", "bob"):
            user = make_user(name)
            for _ in range(3):
                digest = digest_of(token_create(user=user))
                known[digest] = (Person(user.id, name), f"token:{ApiToken.objects.get(digest=digest).id}")
        return known, [digest_of(token_create(user=make_user("gone", is_active=False)))]

    known, refused = await database.run(prepare)
    assert await ask(credentials._token_owners([*known, *refused, *UNKNOWN])) == known
    assert await ask(credentials._token_owners([])) == {}


async def test_session_look_up_is_equal_in_every_way(ask: Ask) -> None:
    def prepare() -> tuple[dict[str, Any], list[str]]:
        ada, bob = make_user("ada"), make_user("bob")
        gone, deleted = make_user("gone", is_active=False), make_user("deleted")
        good = {session_of(user): user for user in (ada, ada, bob)}
        bad = [session_of(user) for user in (gone, deleted, ada, ada, bob)]
        bad += [session_of(ada, **{key: "0"}) for key in (SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY)]
        anonymous = SessionStore()
        anonymous.create()
        bad.append(str(anonymous.session_key))
        deleted.delete()
        Session.objects.filter(session_key=bad[2]).update(expire_date=timezone.now() - timedelta(seconds=1))
        Session.objects.filter(session_key=bad[3]).update(session_data="nonsense")
        stale = session_of(bob)
        bob.set_password("a better horse")
        bob.save()
        good = {key: user for key, user in good.items() if user is ada} | {session_of(bob): bob}
        marked = {key: f"{session_named(key)}:{session_mark(user.password)}" for key, user in good.items()}
        return {key: (Person(user.id, user.username), marked[key]) for key, user in good.items()}, [*bad, stale]

    known, refused = await database.run(prepare)
    assert await ask(credentials._session_owners([*known, *refused, *UNKNOWN])) == known


async def test_ticket_look_up_is_equal_in_every_way(ask: Ask) -> None:
    def prepare() -> tuple[dict[str, Any], list[str]]:
        ada, gone = make_user("ada"), make_user("gone", is_active=False)
        good = {digest_of(ticket_create(user_id=ada.id, credential=f"token:{n}")): n for n in range(3)}
        late, useless = (digest_of(ticket_create(user_id=user.id, credential="token:9")) for user in (ada, gone))
        Ticket.objects.filter(digest=late).update(expires_at=timezone.now() - timedelta(seconds=1))
        return {digest: (Person(ada.id, "ada"), f"token:{n}") for digest, n in good.items()}, [late, useless]

    known, refused = await database.run(prepare)
    asked = [*known, *refused, *UNKNOWN]
    assert await ask(credentials._ticket_owners(asked)) == known
    assert await ask(credentials._ticket_owners(asked)) == {}, "each ticket is valid once"


async def test_room_look_up_is_equal_in_every_way(ask: Ask) -> None:
    def prepare() -> tuple[list[int], dict[int, Any]]:
        people = [make_user(name).id for name in ("ada", "bob", "eve")]
        kinds = {"empty": (None, Kind.PUBLIC), "old": (9, Kind.PRIVATE), "busy": (1, Kind.DIRECT)}
        rooms, quiet = {}, {}
        for slug, (hours, kind) in kinds.items():
            last_at = None if hours is None else timezone.now() - timedelta(hours=hours)
            rooms[slug] = Room.objects.create(slug=slug, kind=kind, last_at=last_at, head=2**41)
            quiet[slug] = None if hours is None else pytest.approx(3600 * hours, abs=60)
            for mark, user in enumerate(people[:2]):
                Membership.objects.create(room=rooms[slug], user_id=user, last_read_seq=mark + 2**40, uncounted=2**33)
        refs = [RoomRef(rooms[slug].id, slug, slug == "busy") for slug in ("busy", "old", "empty")]
        return people, {
            user: [(ref, mark + 2**40, 2**33, 2**41, quiet[ref.slug]) for ref in refs] for mark, user in enumerate(people[:2])
        }

    people, known = await database.run(prepare)
    assert await ask(access.rooms_of_all([*people, 2**62])) == known
