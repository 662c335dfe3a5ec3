"""Names that look the same to a reader, and refused mixtures of scripts: UTS 39."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.lookalikes import _prototypes, is_blank, look_of, mark_objection, script_objection, shown_text, without_ignorables

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada", "\u0430\u0501\u0430"),  # Cyrillic
        ("paypal", "p\u0430yp\u0430l"),
        ("Anna", "\u0391\u039d\u039d\u0391"),  # Greek
        ("Ian", "lan"),
        ("b0b", "bob"),
        ("modern", "modem"),
        ("\u1492", "\u00b7\u1489"),  # a part of its prototype has a prototype of its own
        ("ada", "a\u200dd\ufe0fa\u3164"),
        ("ada", "\U0001d41a\U0001d41d\U0001d41a"),  # bold
    ],
    ids=ascii,
)
def test_look_is_equal_for_lookalikes(one: str, other: str) -> None:
    assert look_of(one) == look_of(other)


def test_look_differs_for_distinct_names() -> None:
    names = ["ada", "ida", "Zoe", "Zoë", "愛達", "愛", "ian", "lan", "ада", "हिन्दी", "ad-a", "ad_a"]
    assert len({look_of(name) for name in names}) == len(names)


def test_prototypes_are_final() -> None:
    prototypes = _prototypes()
    assert len(prototypes) > 6000
    assert not [character for found in prototypes.values() for character in found if ord(character) in prototypes]


@given(st.text(max_size=64))
def test_look_of_any_text_fits_its_column(name: str) -> None:
    assert len(look_of(name)) <= 255


@pytest.mark.parametrize(
    "name", ["Zoë", "Ада", "日本ア語abc", "한글abc", "ㄅ漢a", "ада-ada", "हिन्दी", "\u13aa\u13b3", "a1", "ー"], ids=ascii
)
def test_scripts_of_one_language_may_mix(name: str) -> None:
    assert script_objection(name) is None


@pytest.mark.parametrize("name", ["p\u0430ypal", "\u0430\u03b1", "नमa", "ア한", "1\u0663", "\u0966\u0663"], ids=ascii)
def test_scripts_that_imitate_are_refused(name: str) -> None:
    assert "do not go together" in str(script_objection(name))


def test_marks_are_bounded_to_four() -> None:
    assert mark_objection("a" + "\u0316" * 4) is None
    assert mark_objection("a" + "\u0316" * 5) == "at most 4 marks may stand on a letter"
    assert mark_objection("\u0301a")


@pytest.mark.parametrize("text", ["", " ", "\u3164", "\u2800", "\ufe0f\u200d", "\u202e", "\U000e0061", "\t\n"], ids=ascii)
def test_invisible_text_is_blank(text: str) -> None:
    assert is_blank(text)
    assert shown_text(text) == ""


def test_shown_text_keeps_joiners_of_its_neighbours() -> None:
    kept = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u2764\ufe0f"
    assert shown_text(f" {kept}\u202e\n\u00ad ") == kept


def test_every_ignorable_is_ignored() -> None:
    hidden = (
        "\u00ad\u034f\u061c\u115f\u1160\u17b4\u180b\u180e\u200b\u200d\u202e"
        "\u2060\u2066\u3164\ufe00\ufe0f\ufeff\uffa0\U000e0020\U000e0100"
    )
    assert without_ignorables(f"a{hidden}b") == "ab"
