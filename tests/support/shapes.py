"""The fields and types of all frames of the native dialect.

They are read from docs/asyncapi.yaml, which `make protocol` writes.

Other fields are forbidden.
"""

import json
from typing import Any

from tests.docs.contract import Message, matching, messages


def assert_shape(frame: dict[str, Any], *, own: bool = False) -> None:
    """Check the shape of a frame and of its page's messages.

    `own`: the author's copy has `key`.
    """
    found = matching("native", "send", json.dumps(frame))
    faults = {message.name: message.refuses(frame) for message in messages() if _is_of(message, frame["type"])}
    assert found, f"{frame} is not as documented: {faults}"
    assert ("key" in frame) == own, frame


def _is_of(message: Message, type_: str) -> bool:
    return message.channel == "native" and message.direction == "send" and message.definition["title"] == type_
