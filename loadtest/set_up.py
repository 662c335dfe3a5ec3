"""Prepare a chat user over HTTP: an account and a room."""

import secrets
from typing import Any

from locust.clients import HttpSession
from locust.exception import StopUser

from loadtest import advice, figures
from loadtest.chat_socket import ChatSocket

_TIMEOUT = 60.0


def sign_up(user: ChatSocket) -> str:
    """Make an account with the user's name and return its token."""
    # The second half is in no name: of thousands of random ones some are too similar to the name.
    account = {"username": f"load-{user.name}", "password": secrets.token_urlsafe(9) + "!?" * 6}
    return str(_post(user, "/api/signup", figures.SIGN_UP, account)["token"])


def make_room(user: ChatSocket) -> None:
    """Make the user's room, unless another user has made it."""
    trial = user.trial
    with trial.making_rooms:
        if user.room not in trial.rooms:
            # Another process's user may have made it.
            _post(user, "/api/rooms", "make room", {"slug": user.room, "title": user.room, "private": False}, also=409)
            trial.rooms.add(user.room)


def get(user: ChatSocket, path: str) -> Any:
    """Return the JSON of a call.

    Raises OSError for any answer but success.
    """
    http = HttpSession(user.host, user.environment.events.request, user=user)
    headers = {"Authorization": f"Token {user.token}"}
    if user.host_header:
        headers["Host"] = user.host_header
    with http.get(
        path, headers=headers, name=path.partition("?")[0].rpartition("/")[2], timeout=_TIMEOUT, catch_response=True
    ) as answer:
        if not answer.ok:
            raise OSError(f"GET {path} answered {answer.status_code}: {(answer.text or str(answer.error))[:200]}")
        return answer.json()


def _post(user: ChatSocket, path: str, name: str, body: dict[str, Any], also: int = 0) -> dict[str, Any]:
    """POST JSON; the run ends after any answer except success or the status `also`."""
    http = HttpSession(user.host, user.environment.events.request, user=user)
    headers = {"Authorization": f"Token {user.token}"} if user.token else {}
    if user.host_header:
        headers["Host"] = user.host_header
    with http.post(path, json=body, headers=headers, name=name, timeout=_TIMEOUT, catch_response=True) as answer:
        if answer.status_code == also:
            answer.success()
        elif not answer.ok:
            said = (answer.text or str(answer.error or "no answer")).strip()[:300]
            reason = f"POST {path} answered {answer.status_code}: {advice.on_sign_up(answer.status_code or 0) or said}"
            answer.failure(reason)
            user.trial.abort(reason, refused=400 <= (answer.status_code or 0) < 500)
            raise StopUser
        result: dict[str, Any] = answer.json()
    return result
