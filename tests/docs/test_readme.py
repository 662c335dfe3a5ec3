"""The README stays short, and a reader can start at once."""

import pytest

from tests.support.server import ROOT

pytestmark = pytest.mark.once

LINES = (ROOT / "README.md").read_text().splitlines()


def test_readme_has_at_most_100_lines() -> None:
    """What is more belongs into docs/, which the last section names."""
    assert len(LINES) <= 100


def test_readme_has_at_most_900_words() -> None:
    """Long lines would hide growth from the count of lines."""
    assert sum(len(line.split()) for line in LINES) <= 900


def test_first_command_is_on_the_first_screen() -> None:
    first = next(number for number, line in enumerate(LINES, 1) if line.startswith("    "))
    assert (LINES[first - 1].split()[:2], first <= 35) == (["make", "run"], True)
