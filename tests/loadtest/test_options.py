"""Options are parsed in their usual forms, or refused by name."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from loadtest import options, values
from tests.support.server import ROOT


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("60s", 60), ("1.5m", 90), ("1m30s", 90), ("2h", 7200), (" 5 s ", 5)])
def test_duration_is_parsed(text: str, seconds: float) -> None:
    assert values.duration("TIME", text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5x", "-5s", "0", "0s", "5 apples", "1e3"])
def test_bad_duration_is_refused(text: str) -> None:
    with pytest.raises(values.BadOption, match="TIME="):
        values.duration("TIME", text)


@pytest.mark.parametrize(("text", "pair"), [("4-10", (4, 10)), ("5", (5, 5)), ("0.2-0.5", (0.2, 0.5)), ("0-1", (0, 1))])
def test_span_is_parsed(text: str, pair: tuple[float, float]) -> None:
    assert values.span("THINK", text) == pair


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (values.span, "10-4"),
        (values.span, "0"),
        (values.span, "a-b"),
        (values.whole, "0"),
        (values.whole, "1.5"),
        (values.whole, "-1"),
        (values.share, "1.1"),
        (values.share, "nan"),
        (values.share, "half"),
        (values.url, "example.org"),
        (values.url, "ws://example.org"),
        (values.url, "http://ada:secret@example.org"),
        (values.url, "http://example.org?room=1"),
        (options.shape, "spikes"),
        (values.tokens, "/nowhere/tokens"),
    ],
)
def test_nonsense_is_refused_by_name(read: Callable[[str, str], Any], text: str) -> None:
    with pytest.raises(values.BadOption, match="NAME="):
        read("NAME", text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https://chat.example.org/", "https://chat.example.org"),
        ("http://[::1]:8000/chat/", "http://[::1]:8000/chat"),
    ],
)
def test_address_is_parsed(text: str, url: str) -> None:
    assert values.url("URL", text) == url


@pytest.mark.parametrize("page", ["scripts/load", "docs/loadtest.md"])
def test_documented_defaults_are_the_real_ones(page: str) -> None:
    usual = {name.upper().replace("-", "_"): default for name, default, _ in options.ARGUMENTS}
    usual |= {"USERS": "20", "SPAWN_RATE": "20", "PROCESSES": "1"}  # __main__.py
    text = (ROOT / page).read_text()
    if page.endswith(".md"):
        text = text.partition("Where you say nothing: ")[2].partition("`;")[0]
    else:
        text = text.partition("Usage: ")[2].partition("With --json")[0]
    documented = dict(re.findall(r"(?<![\w'])([A-Z][A-Z_]+)=([\w.-]*)(?=[\s`]|$)", text))
    wanted = {name: default for name, default in usual.items() if default and name not in {"THRESHOLDS", "REPORT"}}
    assert {name: documented.get(name) for name in wanted} == wanted
