"""Each drill has a row with its time in docs/reliability.md, each row its test."""

from datetime import date
from pathlib import Path

import pytest

from tests.docs.drills import PAGE, Row, functions, rows, times, with_times

pytestmark = pytest.mark.once

TABLE = rows(PAGE.read_text())
TESTS = list(functions())


def test_every_drill_has_a_row_and_every_row_its_drill() -> None:
    named = {row.function for row in TABLE}
    marked = {test.name for test in TESTS if test.marked}
    assert {test.partition("/")[0] for test in marked} == {"tests"}
    assert sorted(marked - named) == [], "without a row in docs/reliability.md"
    assert sorted(named - marked) == [], "no test of this name has the mark `drill`"
    assert len({row.test for row in TABLE}) == len(TABLE)


def test_every_test_with_people_under_it_is_a_drill() -> None:
    assert [test.name for test in TESTS if test.has_people and not test.marked] == []


def test_every_test_of_the_runbooks_is_a_drill() -> None:
    assert {test.marked for test in TESTS if test.name.startswith("tests/runbooks/test_runbooks.py")} == {True}


def test_every_row_has_its_time() -> None:
    assert [row.test for row in TABLE if row.seconds <= 0] == []


REPORT = """<testsuites><testsuite name="stack">
<testcase classname="tests.stack.test_a" name="test_one" time="12.34"/>
<testcase classname="tests.stack.test_a" name="test_two[x]" time="1.5"/>
<testcase classname="tests.stack.test_a" name="test_two[y]" time="2"/>
<testcase classname="tests.stack.test_a" name="test_failed" time="9"><failure/></testcase>
</testsuite></testsuites>"""
TEXT = """<!-- drills -->
Measured 2026-01-01, once.

| drill | shown | time, s | test |
| --- | --- | ---: | --- |
| one | all of it | 1.0 | `tests/stack/test_a.py::test_one` |
| two | both | 1.0 | `tests/stack/test_a.py::test_two` |
| two | the second | 1.0 | `tests/stack/test_a.py::test_two[y]` |
| three | failed | 1.0 | `tests/stack/test_a.py::test_failed` |
"""


def test_rows_get_the_times_of_the_last_run(tmp_path: Path) -> None:
    (tmp_path / "junit-stack.xml").write_text(REPORT)
    written = with_times(TEXT, times(tmp_path), date(2026, 2, 3))
    assert [(row.test.rpartition("::")[2], row.seconds) for row in rows(written)] == [
        ("test_one", 12.3),
        ("test_two", 3.5),
        ("test_two[y]", 2.0),
        ("test_failed", 1.0),
    ]
    assert rows(written)[0] == Row("one", "all of it", 12.3, "tests/stack/test_a.py::test_one")
    assert "Measured 2026-02-03, once." in written
