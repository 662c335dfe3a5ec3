"""/api/: accounts, sessions, tokens, tickets, people."""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.contrib.auth import aauthenticate, alogin, alogout
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.utils.translation import get_language, override
from ninja import Router, Schema
from ninja.errors import AuthenticationError
from pydantic import Field

from accounts import hashers, services, throttle
from accounts.http_auth import authenticated, identity_of, person_of, same_site
from accounts.models import User
from accounts.names import key_of
from core.api_types import Body
from db import database
from realtime.publish import Revoked, revoked

router = Router(tags=["accounts"])
PEOPLE_LISTED, PEOPLE_MAX = 20, 100


class Credentials(Body):
    username: str
    password: str


class PersonOut(Schema):
    id: int
    name: str


class SignedUp(Schema):
    user: PersonOut
    token: str


class Me(Schema):
    user: PersonOut


class Token(Schema):
    token: str


class TicketOut(Schema):
    ticket: str
    expires_in: int


class People(Schema):
    users: list[PersonOut]
    more: bool
    next: str | None


@router.post("/signup", response={201: SignedUp}, auth=None, summary="Make an account")
async def sign_up(request: HttpRequest, payload: Credentials) -> tuple[int, dict[str, Any]]:
    language = get_language()

    def create() -> tuple[User, str]:
        with override(language):
            user = services.user_create(username=payload.username, password=payload.password)
        return user, services.token_create(user=user)

    # Check the rate first: a refused client must not wait in the queue for a hash.
    await database.run_for(throttle.address_of(request), throttle.sign_up_attempt, request)
    user, token = await hashers.run_for(throttle.address_of(request), create)
    return 201, {"user": {"id": user.id, "name": user.username}, "token": token}


@router.post("/session", response={204: None}, auth=None, summary="Sign in: sets the session cookie")
async def session_create(request: HttpRequest, payload: Credentials) -> tuple[int, None]:
    same_site(request)
    user = await _checked(request, payload)
    await alogin(request, user)
    get_token(request)  # sets the CSRF cookie for the page's next unsafe call
    return 204, None


@router.delete("/session", response={204: None}, auth=authenticated, summary="Sign out: end this credential and its sockets")
async def session_delete(request: HttpRequest) -> tuple[int, None]:
    """End the credential of the call: a cookie's session, or the header's token."""
    person, credential = identity_of(request)
    if credential.startswith("token:"):
        await database.run_for(person.id, services.token_delete, credential=credential)
    else:
        await alogout(request)
    await database.run_for(person.id, services.tickets_end, user=person.id, credential=credential)
    revoked(Revoked(person.id, credential))
    return 204, None


@router.post("/token", response=Token, auth=None, summary="Get an API token for a password")
async def token_create(request: HttpRequest, payload: Credentials) -> dict[str, str]:
    user = await _checked(request, payload)
    return {"token": await database.run_for(user.id, services.token_create, user=user)}


@router.post("/tickets", response={201: TicketOut}, auth=authenticated, summary="Get a ticket for one handshake")
async def ticket_create(request: HttpRequest) -> tuple[int, dict[str, Any]]:
    person, credential = identity_of(request)
    ticket = await database.run_for(person.id, services.ticket_create, user_id=person.id, credential=credential)
    return 201, {"ticket": ticket, "expires_in": settings.TICKET_SECONDS}


@router.get("/me", response=Me, auth=authenticated, summary="Who I am")
async def me(request: HttpRequest) -> HttpResponse | dict[str, Any]:
    person = person_of(request)
    get_token(request)
    return {"user": person.wire()}


@router.get("/users", response=People, auth=authenticated, summary="People I can write to")
async def users(
    request: HttpRequest,
    query: str = "",
    after: str = "",
    limit: Annotated[int, Field(ge=1, le=PEOPLE_MAX)] = PEOPLE_LISTED,
    user: Annotated[int | None, Field(ge=1, le=2**53)] = None,
) -> dict[str, Any]:
    """List people by name; `next` is the next page's `after`.

    With the id `user`: that person, or an empty list.
    """
    person = person_of(request)

    def search() -> dict[str, Any]:
        found = User.objects.filter(is_active=True, name_key__contains=key_of(query.replace("\0", ""))).exclude(id=person.id)
        if user is not None:
            found = found.filter(id=user)
        rows = found.filter(username__gt=after.replace("\0", "")).order_by("username").values_list("id", "username")[: limit + 1]
        people = [{"id": found_id, "name": name} for found_id, name in rows]
        following = str(people[limit - 1]["name"]) if len(people) > limit else None
        return {"users": people[:limit], "more": following is not None, "next": following}

    return await database.run_for(person.id, search)


async def _checked(request: HttpRequest, payload: Credentials) -> User:
    await database.run_for(throttle.address_of(request), throttle.sign_in_attempt, request, payload.username)
    user = await aauthenticate(request, username=payload.username, password=payload.password)
    if user is None:
        raise AuthenticationError(message="wrong name or password")
    assert isinstance(user, User)
    return user
