import pytest

from chat.text import is_visible

pytestmark = pytest.mark.once

UNSEEN = ["", " \n\t", "\u200b", "\u2800", "\u3164\u00a0", "\u2060\ufe0f", "\U000e0100\u0085", "\u202e\u200d", "\u00ad\u034f"]


@pytest.mark.parametrize("text", UNSEEN, ids=ascii)
def test_text_without_visible_characters_is_empty(text: str) -> None:
    assert not is_visible(text)


@pytest.mark.parametrize("text", [".", "\u2764\ufe0f", "\u0301", "\U0001fae8", "\u3164a", "\u200b-"], ids=ascii)
def test_text_with_a_visible_character_is_none_of_them(text: str) -> None:
    assert is_visible(text)
