"""What bodies and parameters of the HTTP API are made of.

As on the sockets, no value is taken for one of another kind.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from ninja import Schema
from pydantic import AwareDatetime, BeforeValidator, ConfigDict


class Body(Schema):
    """The JSON body of a call.

    By default pydantic takes `false` and `"1"` for numbers, `1` and `"yes"` for `true`.
    """

    model_config = ConfigDict(strict=True)


def _rfc3339(value: Any) -> Any:
    try:
        return msgspec.convert(value, datetime)
    except msgspec.ValidationError as error:
        raise ValueError("takes a time with its zone, such as 2030-01-01T12:00:00Z") from error


# A time with its zone. Pydantic alone takes numbers for seconds since 1970.
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]
