"""Log why a client was refused, and the setting that decides.

There are only a few lines a minute: one per kind and value.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

import structlog

from core.metrics import REFUSALS

logger = structlog.get_logger(__name__)

WINDOW_S = 60.0
# Different values logged per kind and window: enough to show a misconfiguration, too few for a flood.
VALUES = 5
LONGEST = 100


@dataclass
class _Window:
    begun: float = 0.0
    shown: set[str] = field(default_factory=set)
    unshown: int = 0


# One entry per kind; kinds are constants of this project, never input.
_windows: dict[str, _Window] = {}


def note_refusal(kind: str, value: object, setting: str) -> None:
    """Count a refusal; log it at most once a window and value, VALUES of a kind.

    `value` may be input: it is shortened and escaped, and must be no secret. `setting` is the one to change; may be empty.
    """
    REFUSALS.labels(kind).inc()
    window = _windows.setdefault(kind, _Window())
    now = time.monotonic()
    if not window.begun or now - window.begun >= WINDOW_S:
        unshown = window.unshown
        window.begun, window.unshown = now, 0
        window.shown.clear()
    else:
        unshown = 0
    text = shown(value)
    if text in window.shown or len(window.shown) >= VALUES:
        window.unshown += 1
        return
    window.shown.add(text)
    facts = {"setting": setting} if setting else {}
    if unshown:
        facts["unshown"] = str(unshown)
    logger.warning("refused a client", kind=kind, value=text, **facts)


def shown(value: object) -> str:
    """Return a client's value for a log.

    ASCII, escaped, of LONGEST characters at most.
    """
    text = str(value)
    cut = text[:LONGEST].encode("unicode_escape").decode("ascii")
    return cut[:LONGEST] + ("…" if len(text) > LONGEST or len(cut) > LONGEST else "")


class SecurityHandler(logging.Handler):
    """Converts Django's records of a refused Host or CSRF check into refusals.

    Each of Django's records has a traceback.
    """

    def emit(self, record: logging.LogRecord) -> None:
        request = getattr(record, "request", None)
        meta = getattr(request, "META", {})
        if record.name.endswith("DisallowedHost"):
            note_refusal("host", meta.get("HTTP_HOST", ""), "PUBLIC_URL")
            return
        # "Forbidden (reason): path". Our pages send Origin; an operator adds missing ones.
        origin = meta.get("HTTP_ORIGIN")
        reason = str(record.args[0]) if isinstance(record.args, tuple) and record.args else record.getMessage()
        about_origin = reason.startswith(("Origin checking failed", "Referer checking failed"))
        value = (origin or meta.get("HTTP_REFERER", "").partition("?")[0]) if about_origin else reason
        note_refusal("csrf", value, "PUBLIC_URL, ALLOWED_ORIGINS" if about_origin else "")
