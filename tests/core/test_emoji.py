"""Which texts are one emoji."""

import pytest

from core.emoji import is_emoji

pytestmark = pytest.mark.once

ONE = [
    "👍", "👍🏽", "❤️", "❤", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "1️⃣", "#⃣", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "👩🏽‍❤️‍💋‍👨🏿",
]  # fmt: skip
NONE = [
    "", " ", "&#128077;",
    "a", "1", "ok", "👍👍", "👍 ", "👍\u0301", "🇩", "🇩🇪🇫", "👩\u200d", "\u200d", "\ufe0f", "👍" + "\u200d👍" * 20,
]  # fmt: skip


@pytest.mark.parametrize("text", ONE, ids=ascii)
def test_emoji_sequence_is_one_emoji(text: str) -> None:
    assert is_emoji(text)


@pytest.mark.parametrize("text", NONE, ids=ascii)
def test_other_text_is_no_emoji(text: str) -> None:
    assert not is_emoji(text)
