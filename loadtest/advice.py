"""Advice for refusals that a setting of the server lifts."""

_SETUP = {
    401: "the server does not know this token",
    403: "the server has sign-up closed: set SIGNUP_OPEN=true there, or pass tokens with TOKENS=file",
    429: "the server limits sign-ups by address: raise LIMIT_SIGNUPS_PER_H there (0 lifts it), or pass tokens with TOKENS=file",
}
_HANDSHAKE = {
    401: "the server does not know this token",
    403: "the server refuses this address or token",
    429: "the server limits handshakes by address: raise LIMIT_HANDSHAKES_PER_S there (0 lifts it)",
    503: "the server, or the proxy before it, is not ready or limits handshakes: see LIMIT_HANDSHAKES_PER_S",
}
_CLOSED = {
    4001: "the server found no credentials",
    4003: "the server does not accept these credentials",
    4009: "the server saw a flood: raise LIMIT_MESSAGES_PER_S there (0 lifts it), or let users THINK longer",
}
_CLOSED_AT_THE_DOOR = {
    4009: "the server limits handshakes by address and sockets by person: raise LIMIT_HANDSHAKES_PER_S or "
    "LIMIT_SOCKETS_PER_USER there (0 lifts them)",
}
_ERRORS = {
    "rate_limited": "the server limits messages by person: raise LIMIT_MESSAGES_PER_S there (0 lifts it), "
    "or let users THINK longer",
}


def on_sign_up(status: int) -> str:
    """Return advice for this HTTP status from sign-up or making a room.

    Empty if there is none.
    """
    return _SETUP.get(status, "")


def on_handshake(status: int) -> str:
    """Return advice for a WebSocket handshake refused with this HTTP status."""
    return _HANDSHAKE.get(status, "")


def on_close(code: int, *, greeted: bool) -> str:
    """Return advice for the server's close code, before or after its `hello`."""
    return (not greeted and _CLOSED_AT_THE_DOOR.get(code)) or _CLOSED.get(code, "")


def on_error(code: str) -> str:
    """Return advice for an error with this code."""
    return _ERRORS.get(code, "")
