"""Read values from strings, or refuse them by the name of their option.

Pure.
"""

import math
import re
from pathlib import Path

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


class BadOption(ValueError):
    """An unusable option; the message names it, its value and valid forms."""


def duration(name: str, text: str) -> float:
    """Read `90`, `90s`, `1.5m`, `1m30s` or `2h` as seconds above 0."""
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smh]?)", text)
    if not parts or re.sub(r"\d+(?:\.\d+)?\s*[smh]?", "", text).strip():
        raise BadOption(f"{name}={text!r} is no duration: use a number of seconds, or 60s, 5m, 1m30s, 2h")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds <= 0:
        raise BadOption(f"{name}={text!r} must be longer than nothing")
    return seconds


def span(name: str, text: str) -> tuple[float, float]:
    """Read `4-10` (or `5`, for always 5) as a range of seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?", text.strip())
    if match is None:
        raise BadOption(f"{name}={text!r} is no range of seconds: use 4-10, or 5 for always five")
    low, high = float(match[1]), float(match[2] or match[1])
    if low > high or high <= 0:
        raise BadOption(f"{name}={text!r} must go from the shorter pause to the longer, and not be 0")
    return low, high


def whole(name: str, text: str, *, least: int = 1) -> int:
    """Read a whole number of at least `least`."""
    if not re.fullmatch(r"\d+", text.strip()) or int(text) < least:
        raise BadOption(f"{name}={text!r} must be a whole number of at least {least}")
    return int(text)


def number(name: str, text: str, *, least: float) -> float:
    """Read a number of at least `least`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value < math.inf:
        raise BadOption(f"{name}={text!r} must be a number of at least {least:g}")
    return value


def span_or_none(name: str, text: str) -> float:
    """Read a duration or nothing: `0`, `2s`."""
    return 0.0 if text.strip() in {"", "0", "0s"} else duration(name, text)


def yes(name: str, text: str) -> bool:
    """Read `1` or `0` (and true, false, yes, no; empty is no)."""
    if text.strip().lower() in {"1", "true", "yes"}:
        return True
    if text.strip().lower() in {"", "0", "false", "no"}:
        return False
    raise BadOption(f"{name}={text!r} must be 1 or 0")


def share(name: str, text: str) -> float:
    """Read a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise BadOption(f"{name}={text!r} must be a share between 0 and 1")
    return value


def url(name: str, text: str) -> str:
    """Read an address of a server.

    `http(s)://host[:port]`, with a path where it is served below one.
    """
    match = re.fullmatch(r"(https?://[^\s/?#@]+(?:/[^\s?#]*)?)", text.strip())
    if match is None:
        raise BadOption(f"{name}={text!r} must be http://host[:port] or https://host[:port]")
    return match[1].rstrip("/")


def host(name: str, text: str) -> str:
    """Read `host[:port]`, or extract it from an address; empty stays empty."""
    found = text.strip().partition("//")[2].partition("/")[0] if "//" in text else text.strip()
    if text and not re.fullmatch(r"[^\s/?#@]+", found):
        raise BadOption(f"{name}={text!r} must be host[:port], or an address")
    return found


def tokens(name: str, path: str) -> tuple[str, ...]:
    """Read a file with one API token a line; no path, no tokens."""
    if not path:
        return ()
    try:
        found = tuple(line.strip() for line in Path(path).read_text().splitlines() if line.strip())
    except OSError as error:
        raise BadOption(f"{name}={path!r} cannot be read: {error.strerror}") from error
    if not found:
        raise BadOption(f"{name}={path!r} holds no token")
    return found
