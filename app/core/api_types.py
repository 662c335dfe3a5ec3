"""What bodies, parameters and answers of the HTTP API are made of.

As on the sockets, no value is taken for one of another kind.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from django.http import HttpRequest
from ninja import Schema
from pydantic import AwareDatetime, BeforeValidator, ConfigDict


class Body(Schema):
    """The JSON body of a call.

    By default pydantic takes `false` and `"1"` for numbers, `1` and `"yes"` for `true`.
    """

    model_config = ConfigDict(strict=True)


class Person(msgspec.Struct):
    """A person in an answer; the name of a deleted account may be empty."""

    id: int
    name: str


def answers(kind: Any, status: int = 200) -> dict[str, Any]:
    """Describe the answer of a call for its `openapi_extra`.

    `kind`: a struct, or the media type of a text. The answer itself is sent as it is: ninja's `response` would check it again
    and rebuild each of its rows.
    """
    return {"x-answer": (status, kind)}


def refuses(*statuses: int) -> dict[str, Any]:
    """Describe refusals that only this call has, for its `openapi_extra`."""
    return {"x-refuses": statuses}


def is_head(request: HttpRequest) -> bool:
    """Return whether a call came as HEAD.

    The API answers HEAD as GET, and `request.method` is GET then.
    """
    return bool(request.scope["method"] == "HEAD")  # type: ignore[attr-defined]


def _rfc3339(value: Any) -> Any:
    try:
        return msgspec.convert(value, datetime)
    except msgspec.ValidationError as error:
        raise ValueError("takes a time with its zone, such as 2030-01-01T12:00:00Z") from error


# A time with its zone. Pydantic alone takes numbers for seconds since 1970.
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]
