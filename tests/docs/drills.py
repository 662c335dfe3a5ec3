"""The table of drills in docs/reliability.md.

`python -m tests.docs.drills` gives each row the time of its test, from the JUnit files of the last `make test`.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[2]

PAGE = ROOT / "docs" / "reliability.md"
_ROW = re.compile(
    r"^\| (?P<drill>[^|]+) \| (?P<shown>[^|]+) \| (?P<seconds>[\d.,]+) \| `(?P<test>tests/[^`]+)` \|$", re.MULTILINE
)
_MEASURED = re.compile(r"(?<=<!-- drills -->\nMeasured )\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Row:
    drill: str
    shown: str
    seconds: float
    # As pytest names it. Without the part in brackets it stands for all cases.
    test: str

    @property
    def function(self) -> str:
        return self.test.partition("[")[0]


def rows(text: str) -> list[Row]:
    """Return the rows of drills of a page."""
    return [
        Row(found["drill"], found["shown"], float(found["seconds"].replace(",", "")), found["test"])
        for found in _ROW.finditer(text)
    ]


@dataclass(frozen=True)
class Function:
    """A test function, by what its source says."""

    name: str
    marked: bool
    # It has people who write meanwhile, and looks for lost messages.
    has_people: bool


def functions(folder: Path = ROOT / "tests") -> Iterator[Function]:
    """Yield all test functions below a folder."""
    for file in sorted(folder.rglob("test_*.py")):
        source = file.read_text()
        if "mark.drill" not in source and "Crowd(" not in source:
            continue
        tree = ast.parse(source)
        whole = any("mark.drill" in ast.unparse(node) for node in tree.body if _sets_pytestmark(node))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                marked = whole or any(ast.unparse(one) == "pytest.mark.drill" for one in node.decorator_list)
                has_people = bool(re.search(r"async with [^\n]*\b(Crowd|writing)\(", ast.unparse(node)))
                yield Function(f"{file.relative_to(ROOT)}::{node.name}", marked, has_people)


def _sets_pytestmark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == "pytestmark" for to in node.targets)


def times(folder: Path) -> dict[str, float]:
    """Return the seconds of each passed test, by its name with and without brackets."""
    found: defaultdict[str, float] = defaultdict(float)
    for file in sorted(folder.glob("junit-*.xml")):
        for case in ET.parse(file).iter("testcase"):
            if len(case):  # failed or skipped
                continue
            name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
            found[name] = float(case.get("time", "0"))
    for name, seconds in list(found.items()):
        if "[" in name:
            found[name.partition("[")[0]] += seconds
    return dict(found)


def with_times(text: str, measured: Mapping[str, float], day: date) -> str:
    """Return the page with the times of these tests; the others keep theirs."""

    def new(match: re.Match[str]) -> str:
        seconds = measured.get(match["test"])
        if seconds is None:
            return match[0]
        return f"| {match['drill']} | {match['shown']} | {seconds:,.1f} | `{match['test']}` |"

    return _MEASURED.sub(day.isoformat(), _ROW.sub(new, text))


def main() -> int:
    measured = times(ROOT / "artifacts")
    known = rows(PAGE.read_text())
    lacking = [row.test for row in known if row.test not in measured]
    PAGE.write_text(with_times(PAGE.read_text(), measured, datetime.now(UTC).date()))
    said = [f"{len(known) - len(lacking)} of {len(known)} drills have a new time."]
    said += [f"not in artifacts/junit-*.xml: {test}" for test in lacking]
    sys.stdout.write("\n".join(said) + "\n")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
