"""Slugs: one room for every spelling of its name."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms import slugs

pytestmark = pytest.mark.once

letters = st.text(st.characters(categories=["L", "M", "Nd"], include_characters="_-"), min_size=1, max_size=20)


@given(letters)
def test_stored_slug_folds_to_itself(name: str) -> None:
    stored = slugs.normalised(name)
    if stored is not None:
        assert slugs.normalised(stored) == stored


@given(letters)
def test_composed_and_decomposed_slugs_are_equal(name: str) -> None:
    assert slugs.normalised(unicodedata.normalize("NFD", name)) == slugs.normalised(unicodedata.normalize("NFC", name))


@given(st.text(max_size=80))
def test_stored_slug_fits_its_column_and_a_url(name: str) -> None:
    stored = slugs.normalised(name)
    if stored is not None:
        assert 1 <= len(stored) <= slugs.MAX_STORED
        assert not set(stored) & set("/?#% .\0\n")
        stored.encode()


@pytest.mark.parametrize(
    ("spelling", "slug"),
    [
        ("Lobby", "lobby"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("É", "é"),
        ("E\u0301", "é"),
        ("a" * 64, "a" * 64),
        ("٣", "٣"),
        ("lobby\ufe0f", "lobby"),
        ("lo\u200dbby\u3164", "lobby"),
        ("ß" * 64, "ss" * 64),
    ],
    ids=ascii,
)
def test_spellings_fold_to_one_slug(spelling: str, slug: str) -> None:
    assert slugs.normalised(spelling) == slug


@pytest.mark.parametrize(
    "name", ["", "a" * 193, "ß" * 97, " ", "a b", "a.b", "½", "\ud800", "\N{GRINNING FACE}", "\u3164"], ids=ascii
)
def test_invalid_name_has_no_slug(name: str) -> None:
    assert slugs.normalised(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "a" * 65,
        "a\u200db",
        "lobby\ufe0f",
        "ß" * 65,
        "ss" * 33,
        "lobb\u0443",
        "a\u0663",
        "1\u0663",
        "\u0301a",
        "a" + "\u0316" * 5,
        "dm-1-2",
        "dm-l-2",
        "drn-1-O",
    ],
    ids=ascii,
)
def test_new_slug_is_refused(name: str) -> None:
    assert slugs.objection_to(name)


@pytest.mark.parametrize(
    "name", ["a" * 64, "ß" * 33, "ß" * 64, "größe-комната-हिन्दी-聊天", "日本ア語abc", "٣٣", "dm-ada", "dm-1"], ids=ascii
)
def test_new_slug_of_any_script_is_accepted(name: str) -> None:
    assert slugs.objection_to(name) is None


def test_slug_of_a_direct_room_is_recognised() -> None:
    assert slugs.direct(12, 7) == slugs.direct(7, 12) == "dm-7-12"
    assert slugs.is_direct("dm-7-12")
    assert not slugs.is_direct("dm-7")
    assert not slugs.is_direct("xdm-7-12")
