"""Bodies in Slack's form.

Pure.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.webhooks.slack import text_of

pytestmark = pytest.mark.once

JSON = st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda of: st.lists(of, max_size=3), max_leaves=5)


def test_attachments_become_lines() -> None:
    attachment = {
        "fallback": "not shown", "pretext": "Nightly", "title": "Build 41", "title_link": "https://ci.example/41",
        "text": "failed in <https://ci.example/t|tests> &amp; <https://ci.example/x>", "color": "danger",
        "fields": [{"title": "Branch", "value": "main", "short": True}, {"value": "alone"}],
    }  # fmt: skip
    assert text_of("Look:", [attachment]).splitlines() == [
        "Look:",
        "Nightly",
        "Build 41 (https://ci.example/41)",
        "failed in tests (https://ci.example/t) & https://ci.example/x",
        "Branch: main",
        "alone",
    ]
    assert text_of("", [{"fallback": "only that"}]) == "only that"


@pytest.mark.parametrize("part", ["<http:", "<http://a|", "<mailto:a|b", "&lt"])
def test_links_without_an_end_take_no_long_time(part: str) -> None:
    """The call runs on the event loop."""
    text = part * (1_000_000 // len(part))
    begun = time.process_time()
    assert len(text_of("", [{"text": text}])) > 100_000
    assert time.process_time() - begun < 2


@given(st.text(), st.lists(st.dictionaries(st.sampled_from(["text", "title", "fields", "fallback", "other"]), JSON)))
def test_any_attachment_is_taken(text: str, attachments: list[dict[str, Any]]) -> None:
    assert isinstance(text_of(text, attachments), str)
