"""Each attack is held at each way in, by tests that exist and run."""

import ast
import functools
from pathlib import Path

import pytest

from tests.security import matrix

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
CELLS = [(attack, way) for attack in matrix.MATRIX for way in matrix.WAYS]


@functools.cache
def names_in(file: str) -> frozenset[str]:
    """Return the tests of a file that are not skipped."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    functions = [one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    return frozenset(one.name for one in functions if not any("skip" in ast.unparse(mark) for mark in one.decorator_list))


def missing(tests: tuple[str, ...]) -> list[str]:
    """Return the tests of a cell that do not exist."""
    return [test for test in tests if test.partition("::")[2] not in names_in(test.partition("::")[0])]


@pytest.mark.parametrize(("attack", "way"), CELLS)
def test_attack_is_held_at_each_way(attack: str, way: str) -> None:
    tests = matrix.MATRIX[attack].get(way, ())
    assert tests, f"nothing holds {attack!r} at {way!r}"
    assert missing(tests) == []


def test_matrix_has_no_other_ways() -> None:
    assert {way for cells in matrix.MATRIX.values() for way in cells} == set(matrix.WAYS)


def test_planted_gap_is_found() -> None:
    assert missing(("tests/security/test_matrix.py::test_that_is_gone", "tests/no_such_file.py::test_x")) == [
        "tests/security/test_matrix.py::test_that_is_gone",
        "tests/no_such_file.py::test_x",
    ]
    assert missing(("tests/security/test_matrix.py::test_planted_gap_is_found",)) == []


def test_page_shows_the_matrix() -> None:
    written = (ROOT / "docs" / "attack-matrix.md").read_text()
    assert written == matrix.page(), "python -m tests.security.matrix > docs/attack-matrix.md"
