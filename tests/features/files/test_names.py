"""The name under which a file is shown and saved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.files.names import LONGEST, LONGEST_BYTES, clean

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("holiday.png", "holiday.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\fakepath\\report.pdf", "report.pdf"),
        ("/", "file"),
        ("..", "file"),
        ("", "file"),
        (" . ", "file"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("a\x00b\nc.txt", "abc.txt"),
        ("שלום.txt", "שלום.txt"),
        ("照片 1.jpg", "照片 1.jpg"),
        ("👩‍🚀.png", "👩‍🚀.png"),
        ("e\u0301.txt", "é.txt"),
        ("NUL.txt", "file-NUL.txt"),
        ('a"b<c>.txt', "a-b-c-.txt"),
        (".bashrc", "bashrc"),
        ("\u2066\u2069", "file"),
    ],
)
def test_name_is_its_last_part_without_what_hides(sent: str, shown: str) -> None:
    assert clean(sent) == shown


def test_long_name_keeps_its_ending() -> None:
    assert clean("x" * 500 + ".tar.gz").endswith(".gz")
    assert len(clean("x" * 500 + ".pdf")) == LONGEST
    assert len(clean("照" * 500 + ".pdf").encode()) <= LONGEST_BYTES


@given(st.text(max_size=300))
def test_any_name_is_harmless(sent: str) -> None:
    name = clean(sent)
    assert name
    assert not set(name) & set('/\\\0\n\r"')
    assert len(name.encode()) <= LONGEST_BYTES
    assert clean(name) == name
