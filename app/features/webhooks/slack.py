"""A body in Slack's form → the text of a message.

Pure.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from typing import Any

MOST_ATTACHMENTS = 20
# A link ends before the next "<": a body full of links without an end would else take minutes of the event loop.
_LINK = re.compile(r"<((?:https?|mailto):[^<|>\s]+)(?:\|([^<>]*))?>")


def text_of(text: str, attachments: Sequence[dict[str, Any]]) -> str:
    """Return the text, and below it the lines of each attachment.

    Links are written as people read them.
    """
    lines = [text, *(line for one in attachments[:MOST_ATTACHMENTS] for line in _lines(one))]
    return plain("\n".join(line for line in lines if line.strip()))


def plain(text: str) -> str:
    """Turn `<https://a.b|label>` into `label (https://a.b)` and `&lt;` into `<`."""
    return html.unescape(_LINK.sub(lambda link: f"{link[2]} ({link[1]})" if link[2] and link[2] != link[1] else link[1], text))


def _lines(attachment: dict[str, Any]) -> Iterator[str]:
    title, link = _string(attachment, "title"), _string(attachment, "title_link")
    yield _string(attachment, "pretext")
    yield f"{title} ({link})" if title and link else title
    yield _string(attachment, "text") or ("" if title else _string(attachment, "fallback"))
    fields = attachment.get("fields")
    for field in fields[:MOST_ATTACHMENTS] if isinstance(fields, list) else ():
        if isinstance(field, dict):
            yield ": ".join(filter(None, (_string(field, "title"), _string(field, "value"))))


def _string(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
