"""A process with a wrong clock accepts the same credentials.

The database's clock decides.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts import credentials
from accounts.models import ApiToken, User
from accounts.services import digest_of, expired_prune, ticket_create
from changes import journal
from changes.models import Change
from db.queries import by_orm

pytestmark = pytest.mark.django_db(transaction=True)

WRONG = pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(hours=-1)], ids=["ahead", "behind"])
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture
def ada() -> User:
    user = User(username="ada")
    user.set_password("a good horse")
    user.save()
    return user


def session_of(user: User, *, ends_in: timedelta) -> str:
    session = SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = "accounts.backends.CaseInsensitiveBackend"
    session.create()
    key = str(session.session_key)
    Session.objects.filter(session_key=key).update(expire_date=datetime.now(UTC) + ends_in)
    return key


def set_clock(patch: pytest.MonkeyPatch, off: timedelta) -> None:
    def now() -> Any:
        return datetime.now(UTC) + off

    patch.setattr(timezone, "now", now)


@WRONG
def test_ticket_is_valid_for_a_process_with_a_wrong_clock(ada: User, monkeypatch: pytest.MonkeyPatch, off: timedelta) -> None:
    bought_right = ticket_create(user_id=ada.pk, credential="token:1")
    set_clock(monkeypatch, off)
    bought_wrong = ticket_create(user_id=ada.pk, credential="token:1")
    expired_prune()
    assert digest_of(bought_right) in by_orm(credentials._ticket_owners([digest_of(bought_right)]))
    monkeypatch.undo()
    assert digest_of(bought_wrong) in by_orm(credentials._ticket_owners([digest_of(bought_wrong)]))


@WRONG
def test_session_ends_by_the_databases_clock(ada: User, monkeypatch: pytest.MonkeyPatch, off: timedelta) -> None:
    good, over = session_of(ada, ends_in=HALF_AN_HOUR), session_of(ada, ends_in=-HALF_AN_HOUR)
    set_clock(monkeypatch, off)
    assert set(by_orm(credentials._session_owners([good, over]))) == {good}


@WRONG
def test_expired_session_is_found_despite_a_wrong_clock(ada: User, monkeypatch: pytest.MonkeyPatch, off: timedelta) -> None:
    session_of(ada, ends_in=HALF_AN_HOUR)
    over = session_of(ada, ends_in=timedelta(seconds=-1))
    set_clock(monkeypatch, off)
    assert journal.expired_sessions(10.0) == [over]


@WRONG
def test_fresh_rows_survive_pruning_with_a_wrong_clock(ada: User, monkeypatch: pytest.MonkeyPatch, off: timedelta) -> None:
    set_clock(monkeypatch, off)
    token = ApiToken.objects.create(user=ada, digest="x")
    token.delete()
    assert journal.prune() == 0
    assert Change.objects.filter(kind="token", user_id=ada.pk).exists()
