"""Authenticate a socket by its first credential: explicit before ambient ones.

No other credential is tried after a bad one. Credentials are looked up without Django's middleware; simultaneous handshakes
share a query.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models.functions import Now
from django.http import parse_cookie
from django.utils.crypto import constant_time_compare

from accounts.models import ApiToken, Ticket, User
from accounts.services import MARK, digest_of, session_marks, session_named, token_credential
from core.errors import BadCredentials, NoCredentials
from core.features import installed
from core.refusals import note_refusal
from db.batch_loader import BatchLoader
from db.queries import Query, WhereIn
from realtime.publish import Person

# The person, and the name of the credential.
Credential = tuple[Person, str]


async def authenticate(scope: dict[str, Any]) -> Credential:
    """Return the person behind a WebSocket scope and the name of the credential used.

    Raises NoCredentials or BadCredentials, both of which carry their close code.
    """
    headers = {name: value for name, value in scope["headers"] if name in {b"authorization", b"cookie", b"origin"}}
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if b"authorization" in headers:
        return await by_header(headers[b"authorization"].decode("latin-1"))
    for name, look_up in (("ticket", _by_ticket), ("token", _by_token)):
        if name in query:
            if not query[name][0]:  # a client that has none yet: its cookie may be another person's
                raise NoCredentials
            return await look_up(query[name][0])
    key = _session_key(headers.get(b"cookie", b"").decode("latin-1"))
    if not key:
        raise NoCredentials
    if not origin_allowed(headers.get(b"origin", b"").decode("latin-1")):
        note_refusal("origin", headers[b"origin"].decode("latin-1"), "PUBLIC_URL, ALLOWED_ORIGINS")
        raise BadCredentials("this Origin may not use the session cookie")
    return await by_session(key)


def origin_allowed(origin: str) -> bool:
    """Return whether a page of `origin` may use the cookie.

    Browsers always send Origin with a handshake; a client without Origin is no page.
    """
    if not origin:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return f"{parts.scheme}://{parts.netloc}".lower() in {allowed.lower() for allowed in settings.ALLOWED_ORIGINS}


def _session_key(header: str) -> str | None:
    # Django's parser: the standard library's stops at the first invalid cookie, which any program on the host can set.
    return parse_cookie(header).get(settings.SESSION_COOKIE_NAME)


async def by_header(header: str) -> Credential:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "token" or not token.strip():
        raise BadCredentials("use `Authorization: Token <token>`")
    return await _by_token(token.strip())


async def _by_token(token: str) -> Credential:
    kind = next((kind for kind in installed().tokens.values() if token.startswith(kind.prefix)), None)
    found = await (_tokens if kind is None else _tokens_of(kind.name))(digest_of(token))
    if found is None:
        raise BadCredentials("unknown token")
    return found


@functools.cache
def _tokens_of(kind: str) -> BatchLoader[str, Credential]:
    return BatchLoader(installed().tokens[kind].owners)


async def _by_ticket(ticket: str) -> Credential:
    found = await _tickets(digest_of(ticket))
    if found is None:
        raise BadCredentials("unknown, used or expired ticket")
    return found


async def by_session(key: str) -> Credential:
    # Keys are letters and digits. A NUL, possible in a quoted cookie, would fail the whole shared query on Postgres.
    found = await _sessions(key) if key.isalnum() else None
    if found is None:
        raise BadCredentials("expired session")
    return found


_TOKENS = WhereIn(
    "digest",
    lambda: ApiToken.objects.filter(user__is_active=True).values_list("digest", "id", "user_id", "user__username"),
)
_SESSIONS = WhereIn(
    "session_key", lambda: Session.objects.filter(expire_date__gt=Now()).values_list("session_key", "session_data")
)
_PEOPLE = WhereIn("id", lambda: User.objects.filter(is_active=True).values_list("id", "username", "password"))


def _token_owners(digests: list[str]) -> Query[dict[str, Credential]]:
    rows = yield _TOKENS(digests)
    return {digest: (Person(user, name), token_credential(token)) for digest, token, user, name in rows}


def _ticket_owners(digests: list[str]) -> Query[dict[str, Credential]]:
    taken = yield functools.partial(_take_tickets, digests)
    people = yield _PEOPLE({user for _, user, _ in taken})
    found = {user: (Person(user, name), password) for user, name, password in people}
    owners = {}
    for digest, user, credential in taken:
        if user in found and (good := _bought_well(credential, found[user][1])):
            owners[digest] = found[user][0], good
    return owners


def _bought_well(credential: str, password: str) -> str | None:
    """Return a ticket's credential; None if its session predates the password.

    While a secret key is replaced, another process may have marked the credential with the other key. It then gets the mark of
    this process's key.
    """
    if not credential.startswith("session:"):
        return credential
    name, _, mark = credential.rpartition(":")
    marks = session_marks(password)
    return f"{name}:{marks[0]}" if mark in marks else None


def _take_tickets(digests: list[str]) -> list[tuple[str, int, str]]:
    # One statement, so that no other handshake can use the tickets; the ORM has no DELETE … RETURNING.
    marks = ", ".join(["%s"] * len(digests))
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {connection.ops.quote_name(Ticket._meta.db_table)} WHERE digest IN ({marks}) "  # noqa: S608
            "RETURNING digest, user_id, credential, expires_at >= CURRENT_TIMESTAMP",  # hosts' clocks differ
            digests,
        )
        return [(digest, user, credential) for digest, user, credential, good in cursor.fetchall() if good]


def _session_owners(keys: list[str]) -> Query[dict[str, Credential]]:
    rows = yield _SESSIONS(keys)
    reader = SessionStore()
    sessions = {key: reader.decode(data) for key, data in rows}
    ids = {str(session.get(SESSION_KEY)) for session in sessions.values()}
    people = yield _PEOPLE(map(int, filter(str.isdecimal, ids)))
    users = {str(user): Person(user, name) for user, name, _ in people}
    hashes = {str(user): _session_hashes(password) for user, _, password in people}
    owners, unclear = {}, []
    for key, session in sessions.items():
        user = str(session.get(SESSION_KEY))
        if user in users and _signed_in(session, hashes[user]):
            owners[key] = users[user], hashes[user][0]
        else:
            unclear.append(key)
    if unclear:
        owners.update((yield functools.partial(_decided_by_django, unclear)))
    return {key: (person, f"{session_named(key)}:{expected[:MARK]}") for key, (person, expected) in owners.items()}


def _session_hashes(password: str) -> list[str]:
    """Return the hash of each valid secret key, the current one first."""
    user = User(password=password)
    return [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]


def _signed_in(session: dict[str, Any], expected: list[str]) -> bool:
    """Check a session as Django's `get_user` does.

    But for an earlier secret key: Django gives such a session a new name, which only the answer to a page can tell the browser.
    Django itself decides about another backend.
    """
    known = session.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
    return known and any(constant_time_compare(str(session.get(HASH_SESSION_KEY)), one) for one in expected)


def _decided_by_django(keys: list[str]) -> dict[str, tuple[Person, str]]:
    """Return the people signed in by these sessions, with the hash of their password."""
    found: dict[str, tuple[Person, str]] = {}
    for key in keys:
        user: Any = get_user(SimpleNamespace(session=SessionStore(key), META={}))  # type: ignore[arg-type]
        if user.is_authenticated:
            found[key] = Person(user.pk, user.get_username()), user.get_session_auth_hash()
    return found


_tokens = BatchLoader(_token_owners)
_tickets = BatchLoader(_ticket_owners, once=True)
_sessions = BatchLoader(_session_owners)
