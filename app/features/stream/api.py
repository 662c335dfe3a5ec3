"""The native protocol over HTTP, where no WebSocket gets through.

Its calls are `GET /api/stream` and `POST /api/frames`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from ninja import Header, Query, Router
from pydantic import Field

from accounts.http_auth import authenticated, identity_of, person_of
from core.api_types import is_head
from core.errors import BadFrame, Close, FrameRefused, RateAbuse, RateLimited, SocketRefused, Unavailable
from realtime import streams

router = Router(tags=["stream"], auth=authenticated)

FRAMES = 50
ROOMS = 32


class NoSuchStream(FrameRefused):
    code = "no_such_stream"
    status = 404
    http_only = True


@router.get("/stream", summary="The server's frames as text/event-stream")
async def stream_open(
    request: HttpRequest,
    room: Annotated[list[Annotated[str, Field(max_length=256)]], Query(max_length=ROOMS)] = [],  # noqa: B006  # never changed
) -> HttpResponseBase:
    """Open a stream of all frames that a WebSocket would carry, one `data:` each.

    `hello` comes first, with the stream's name in `stream`. `room`, repeatable: rooms to join at once. `Last-Event-ID` resumes
    where an earlier stream ended. `event: close` with the close code ends the stream.
    """
    person, credential = identity_of(request)
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if is_head(request):  # a stream without a body would hold its connection and count as a device
        return HttpResponse(headers=headers)
    try:
        found = await streams.open_stream(person, credential, request.META.get("REMOTE_ADDR") or "?")
    except RateAbuse as refusal:
        raise RateLimited(refusal.reason) from refusal
    except SocketRefused as refusal:
        raise (Unavailable if refusal.close_code == Close.RESTART else BadFrame)(refusal.reason) from refusal
    body = streams.StreamBody(found, request.headers.get("Last-Event-ID", ""), room)
    return StreamingHttpResponse(body, headers=headers | {"Hubbub-Stream": found.id})


# A frame that is wrong in itself is refused over the stream.
_FRAME = {"type": "object"}
_BODY = {"anyOf": [_FRAME, {"type": "array", "minItems": 1, "maxItems": FRAMES, "items": _FRAME}]}


@router.post(
    "/frames",
    response={202: dict[str, int]},
    summary="Client frames for a stream",
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}}},
)
async def frames_send(
    request: HttpRequest,
    stream: Annotated[str, Header(alias="Hubbub-Stream", min_length=1, max_length=100)],
    # A header is left out, never null.
    number: Annotated[int, Header(alias="Hubbub-Request", ge=1, le=2**53)] = None,  # type: ignore[assignment]  # noqa: RUF013
) -> tuple[int, dict[str, int]]:
    """Send one frame, or a list of at most 50, for a stream.

    The header `Hubbub-Stream` names the stream. Replies come over the stream.

    `Hubbub-Request`: 1, 2, 3, … for the requests of a stream. A request that is repeated for lack of an answer is then handled
    once.
    """
    person = person_of(request)
    texts = _texts(request.body)
    found = streams.find(stream, person.id)
    if found is not None:
        streams.receive_soon(found, texts, number)
    elif not streams.is_of(stream, person.id):
        raise NoSuchStream("this is no stream of yours; open another one")
    elif streams.is_here(stream) or not settings.REDIS_SHARDS:
        raise NoSuchStream("this stream has ended; open another one")
    elif not streams.forward(stream, person.id, texts, number):
        raise Unavailable("the process that holds the stream cannot be reached; send the same keys again")
    return 202, {"accepted": len(texts)}


def _texts(body: bytes) -> list[str]:
    """Return each frame as text.

    Raises BadJson or BadFrame.
    """
    decoded = streams.decode(body)
    frames = decoded if isinstance(decoded, list) else [decoded]
    texts = [msgspec.json.encode(frame).decode() for frame in frames]
    if not 0 < len(texts) <= FRAMES:
        raise BadFrame(f"{len(texts)} frames: send 1 to {FRAMES}")
    for text in texts:
        if len(text.encode()) > settings.MAX_FRAME:
            raise BadFrame(f"a frame is above {settings.MAX_FRAME} bytes")
    return texts
