"""Admin pages have a bounded cost, and deletions run in batches."""

import re
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.module_loading import import_string
from django_tasks_db.models import DBTaskResult

from accounts import signals
from accounts.models import User
from changes.models import Change
from chat import deletion
from chat.kinds import KINDS
from chat.models import Event
from core import admin_pages
from core.errors import NoSuchRoom
from features.chess.state import Chess, Player
from features.quiz import state as quiz
from features.quiz.state import Quiz
from rooms import access, services
from rooms.models import Block, Membership, Role, Room

pytestmark = pytest.mark.django_db(transaction=True)

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def boss() -> User:
    return User.objects.create(username="boss", is_staff=True, is_superuser=True)


@pytest.fixture
def page(boss: User) -> Client:
    client = Client(headers={"host": "localhost"})
    client.force_login(boss, backend="accounts.backends.CaseInsensitiveBackend")
    return client


def people(number: int) -> list[User]:
    made = [User(username=f"user-{index:05}", name_key=f"user-{index:05}") for index in range(number)]
    User.objects.bulk_create(made)
    return list(User.objects.filter(username__startswith="user-").order_by("id"))


def full_room(slug: str, members: list[User], messages: int) -> Room:
    room = Room.objects.create(slug=slug, head=messages)
    Membership.objects.bulk_create(Membership(room=room, user=user) for user in members)
    author = members[0]
    Event.objects.bulk_create(
        Event(room=room, seq=seq, author=author, key=f"k{seq}", at=AT, text="hi") for seq in range(1, messages + 1)
    )
    return room


def queries_of(page: Client, path: str, data: dict[str, Any] | None = None) -> list[str]:
    """Return the statements of one page."""
    with CaptureQueriesContext(connection) as asked:
        answer = page.get(path) if data is None else page.post(path, data)
    assert answer.status_code in {200, 302}, answer.content
    return [query["sql"] for query in asked.captured_queries]


def test_admin_pages_of_a_room_never_read_its_log_or_members(page: Client) -> None:
    room = full_room("full", people(50), messages=3_000)
    paths = [reverse("admin:rooms_room_changelist"), reverse("admin:rooms_room_change", args=[room.id])]
    delete = reverse("admin:rooms_room_delete", args=[room.id])
    several = {"action": "delete_selected", "_selected_action": [str(room.id)]}
    asked = [*queries_of(page, paths[0]), *queries_of(page, paths[1]), *queries_of(page, delete)]
    asked += queries_of(page, paths[0], several)
    asked += queries_of(page, delete, {"post": "yes"})
    assert not [sql for sql in asked if "chat_event" in sql or "rooms_membership" in sql]
    assert len(asked) < 60
    with pytest.raises(NoSuchRoom):
        access.room_by_slug("full")
    assert DBTaskResult.objects.get().task_path == "chat.tasks.closed_rooms_delete"
    assert Event.objects.filter(room=room).count() == 3_000, "the page itself deletes nothing"


def test_admin_lists_bound_their_counts(page: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_pages, "COUNTED", 150)
    people(400)
    Room.objects.bulk_create(Room(slug=f"room-{index}") for index in range(400))
    for name in ("admin:rooms_room_changelist", "admin:accounts_user_changelist"):
        counts = [sql for sql in queries_of(page, reverse(name)) if "COUNT(" in sql]
        assert counts
        assert all("LIMIT 150" in sql for sql in counts), counts
        assert b"150 " in page.get(reverse(name)).content


def test_closed_room_is_deleted_in_batches_and_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "EVENTS", 100)
    monkeypatch.setattr(deletion, "MEMBERS", 10)
    members = people(25)
    room, other = full_room("full", members, messages=450), full_room("other", members, messages=5)
    services.rooms_close(rooms=[room.id])
    with CaptureQueriesContext(connection) as asked:
        assert deletion.closed_rooms_delete(paused=False) == 1
    kinds = Change.objects.filter(room_id=room.id).values_list("kind", flat=True).order_by("id")
    assert list(kinds) == ["deleted", *["member"] * 25, "deleted"]
    deleting = [sql for sql in map(str.upper, (query["sql"] for query in asked.captured_queries)) if "DELETE" in sql]
    assert len([sql for sql in deleting if "CHAT_EVENT" in sql]) >= 5
    assert not Room.objects.filter(id=room.id).exists()
    assert (Event.objects.filter(room=other).count(), other.memberships.count()) == (5, 25)


def test_interrupted_deletion_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "EVENTS", 100)
    room = full_room("full", people(3), messages=450)
    services.rooms_close(rooms=[room.id])
    with monkeypatch.context() as broken:
        broken.setattr(deletion, "_pause", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            deletion.closed_rooms_delete(paused=False)
    assert Room.objects.filter(id=room.id).exists()
    assert deletion.closed_rooms_delete(paused=False) == 1
    assert not Event.objects.exists()


def test_deleted_person_keeps_the_log_and_loses_the_name(page: Client) -> None:
    ada, bob = people(2)
    room = full_room("hers", [ada, bob], messages=3)
    Membership.objects.filter(room=room, user=ada).update(role=Role.OWNER)
    Block.objects.create(user=bob, blocked=ada)
    path = reverse("admin:accounts_user_delete", args=[ada.id])
    asked = [*queries_of(page, path), *queries_of(page, path, {"post": "yes"})]
    assert not [sql for sql in asked if "chat_event" in sql]
    assert not User.objects.get(id=ada.id).is_active
    deletion.person_delete(user=ada.id, paused=False)
    ada.refresh_from_db()
    assert (ada.username, ada.has_usable_password()) == (f"deleted-{ada.id}", False)
    assert list(room.memberships.values_list("user_id", "role")) == [(bob.id, Role.OWNER)]
    assert Event.objects.filter(room=room, author=ada).count() == 3


@pytest.mark.parametrize("squat", ["deleted-{}", "DELETED-{}", "de1eted-{}"])
def test_name_taken_by_somebody_else_holds_up_no_deletion(squat: str) -> None:
    """An earlier release let anybody sign up with the name that a deleted person gets."""
    ada, bob = people(2)
    full_room("hers", [ada, bob], messages=1)
    squatter = User.objects.create(username=squat.format(ada.id))
    User.objects.filter(id=ada.id).update(is_active=False, email="ada@example.org")
    deletion.person_delete(user=ada.id, paused=False)
    ada.refresh_from_db()
    assert re.fullmatch(rf"deleted-{ada.id}-[0-9a-f]{{8}}", ada.username)
    assert ada.email == ""
    squatter.refresh_from_db()
    assert squatter.username == squat.format(ada.id)


def test_deleted_person_without_messages_is_removed() -> None:
    ada, bob = people(2)
    full_room("his", [bob, ada], messages=1)
    deletion.person_delete(user=ada.id, paused=False)
    assert User.objects.filter(id=ada.id).exists(), "an active user is not deleted"
    User.objects.filter(id=ada.id).update(is_active=False)
    deletion.person_delete(user=ada.id, paused=False)
    assert not User.objects.filter(id=ada.id).exists()


def test_administrator_gets_into_a_room_without_members(page: Client, boss: User) -> None:
    room = Room.objects.create(slug="lost", kind="private", head=7)
    action = {"action": "make_me_an_owner", "_selected_action": [str(room.id)]}
    queries_of(page, reverse("admin:rooms_room_changelist"), action)
    found = Membership.objects.get(room=room)
    assert (found.user_id, found.role) == (boss.id, Role.OWNER)


def test_direct_room_stays_direct_on_its_admin_page(page: Client) -> None:
    direct, other = Room.objects.create(slug="dm-1-2", kind="direct"), Room.objects.create(slug="kinds")
    url = reverse("admin:rooms_room_change", args=[direct.id])
    assert page.post(url, {"title": "", "kind": "public"}).status_code == 302
    direct.refresh_from_db()
    assert direct.kind == "direct"
    assert page.post(reverse("admin:rooms_room_change", args=[other.id]), {"title": "", "kind": "direct"}).status_code == 200
    other.refresh_from_db()
    assert other.kind == "public"


def played_things(room: Room, ada: User, bob: User, eve: User) -> None:
    """Store ada's quiz that bob has played, and bob's game against eve.

    Their seqs are 2 and 4. Bob's answer and eve's acceptance follow each of them.
    """
    white, black = Player(bob.id, bob.username), Player(eve.id, eve.username)
    things: list[tuple[str, User, int | None, Any]] = [
        ("quiz", ada, None, Quiz("T", [], players={str(bob.id): quiz.Player("user-00001", 7)})),
        ("quiz.answered", bob, 2, None),
        ("chess", bob, None, Chess(60, 0, white, black=black)),
        ("chess.accepted", eve, 4, None),
    ]
    for seq, (kind, author, target, state) in enumerate(things, 2):
        data = KINDS[kind].data_of(state) if state is not None else None
        Event.objects.create(room=room, seq=seq, author=author, key=f"k{seq}", at=AT, kind=kind, target=target, data=data)


def test_deleted_person_is_named_in_no_game_and_no_quiz() -> None:
    ada, bob, eve = people(3)
    room = full_room("team", [ada, bob, eve], 1)
    played_things(room, ada, bob, eve)
    for person in (bob, eve):
        User.objects.filter(id=person.id).update(is_active=False)
        deletion.person_delete(user=person.id, paused=False)
    played, game = (Event.objects.get(room=room, seq=seq).data or {} for seq in (2, 4))
    assert played["players"][str(bob.id)][:2] == [f"deleted-{bob.id}", 7]
    assert (game["white"]["name"], game["black"]["name"]) == (f"deleted-{bob.id}", f"deleted-{eve.id}")
    assert not DBTaskResult.objects.exists(), "the deletion itself renames"


def test_renamed_person_has_the_new_name_in_games_and_quizzes(page: Client) -> None:
    ada, bob, eve = people(3)
    room = full_room("team", [ada, bob, eve], 1)
    played_things(room, ada, bob, eve)
    url = reverse("admin:accounts_user_change", args=[bob.id])
    initial = page.get(url).context["adminform"].form.initial
    fields = {name: value for name, value in initial.items() if value not in (None, False)}
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert page.post(url, fields | joined | {"username": "robert", "groups": [], "user_permissions": []}).status_code == 302
    task = DBTaskResult.objects.get()
    assert (task.task_path, task.args_kwargs["args"]) == ("chat.tasks.person_rename", [bob.id])
    deletion.person_rename(user=bob.id)
    played, game = (Event.objects.get(room=room, seq=seq).data or {} for seq in (2, 4))
    assert played["players"][str(bob.id)][:2] == ["robert", 7]
    assert (game["white"]["name"], game["black"]["name"]) == ("robert", eve.username)


def test_shut_out_owner_is_queued_under_the_earlier_name() -> None:
    """During a roll a worker of the release before may run it."""
    (ada,) = people(1)
    signals.shut_out.send(User, user=ada.id)
    queued = DBTaskResult.objects.get()
    assert (queued.task_path, queued.args_kwargs["args"]) == ("chat.tasks.ownership_pass_on", [ada.id])


@pytest.mark.parametrize("name", ["ownership_transfer", "ownership_pass_on"])
def test_both_queued_names_transfer_ownership(name: str) -> None:
    ada, bob = people(2)
    room = full_room("team", [ada, bob], 1)
    Membership.objects.filter(room=room, user=ada).update(role=Role.OWNER)
    User.objects.filter(id=ada.id).update(is_active=False)
    import_string(f"chat.tasks.{name}").call(ada.id)
    assert Membership.objects.get(room=room, user=bob).role == Role.OWNER


def test_save_without_a_new_name_enqueues_nothing() -> None:
    (ada,) = people(1)
    ada.is_staff = True
    ada.save()
    ada.save(update_fields={"username"})
    ada.username = "User-00000"
    ada.save(update_fields={"is_staff"})
    assert not DBTaskResult.objects.exists()
    ada.save()
    assert DBTaskResult.objects.get().task_path == "chat.tasks.person_rename"
