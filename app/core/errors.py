"""All refusals of a socket or a frame.

SocketRefused            closes the socket with `close_code`
├── NoCredentials        4001
├── BadCredentials       4003
├── RoomRefused          4004
└── RateAbuse            4009
FrameRefused             an `error` frame with `code`; the socket stays open
├── BadJson  BadFrame  UnknownType  NotAMember  NoSuchRoom  NoSuchTarget
└── Forbidden  FeatureOff  TooLong  TooMany  Empty  Closed  Overtaken  RateLimited  Unavailable
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class Close(IntEnum):
    """WebSocket close codes (docs/protocol.md)."""

    UNEXPECTED_BINARY = 1003
    RESTART = 1012
    INTERNAL = 4000
    NO_CREDENTIALS = 4001
    BAD_CREDENTIALS = 4003
    ROOM_REFUSED = 4004
    TOO_SLOW = 4008
    RATE_ABUSE = 4009
    REVOKED = 4010


# The longest reason in a close frame (RFC 6455, 5.5).
REASON_BYTES = 123


class SocketRefused(Exception):
    close_code = Close.INTERNAL
    default_reason = ""

    def __init__(self, reason: str = "") -> None:
        whole = reason or self.default_reason
        # Sent in the close frame.
        self.reason = whole.encode()[:REASON_BYTES].decode(errors="ignore")
        super().__init__(self.reason)


class NoCredentials(SocketRefused):
    close_code = Close.NO_CREDENTIALS
    default_reason = "no credentials"


class BadCredentials(SocketRefused):
    close_code = Close.BAD_CREDENTIALS
    default_reason = "bad or expired credentials"


class RoomRefused(SocketRefused):
    close_code = Close.ROOM_REFUSED
    default_reason = "room refused"


class RateAbuse(SocketRefused):
    close_code = Close.RATE_ABUSE
    default_reason = "too many frames or sockets"


class FrameRefused(Exception):
    code = "bad_frame"
    # The HTTP status of the same refusal in the API.
    status = 400
    # Whether only HTTP calls are refused so: no error frame has the code.
    http_only = False
    # Of the HTTP answer.
    headers: Mapping[str, str] = {}

    def __init__(self, message: str) -> None:
        """`message`: translated if `core.words` made it."""
        super().__init__(message)
        # In English, as on the wire.
        self.message = str(message)


class BadJson(FrameRefused):
    code = "bad_json"


class BadFrame(FrameRefused):
    code = "bad_frame"


class UnknownType(FrameRefused):
    code = "unknown_type"


class NotAMember(FrameRefused):
    code = "not_a_member"
    status = 403


class NoSuchRoom(FrameRefused):
    code = "no_such_room"
    status = 404


class NoSuchTarget(FrameRefused):
    code = "no_such_target"
    status = 404


class Forbidden(FrameRefused):
    code = "forbidden"
    status = 403


class FeatureOff(FrameRefused):
    """An administrator has switched the feature off."""

    code = "feature_off"
    status = 404


class OtherUser(FrameRefused):
    """The credentials are not those of the person that the call names."""

    code = "other_user"
    status = 412
    http_only = True


class TooLong(FrameRefused):
    code = "too_long"


class TooMany(FrameRefused):
    code = "too_many"


class Empty(FrameRefused):
    code = "empty"


class Closed(FrameRefused):
    """The thing takes no more of this: a poll is closed, a question's time is up."""

    code = "closed"
    status = 409


class Overtaken(FrameRefused):
    """A newer question of the same socket took the place of this one."""

    code = "overtaken"
    status = 409


class RateLimited(FrameRefused):
    code = "rate_limited"
    status = 429

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        """`retry_after`: seconds, for HTTP."""
        super().__init__(message)
        self.retry_after = retry_after
        self.headers = {"Retry-After": str(retry_after)}


class Unavailable(FrameRefused):
    code = "unavailable"
    status = 503
    headers = {"Retry-After": "2"}
