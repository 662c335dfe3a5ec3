"""A feature is its folders and a line in two lists: no other file names it."""

import re
import subprocess

import pytest

from config.features import FEATURES, name_of
from tests.support.server import ROOT

pytestmark = pytest.mark.once

# Tests of both halves, words for readers and where they are held, measurements, history, and what `make protocol` writes.
ELSEWHERE = (
    "tests", "frontend/tests", "docs", "scripts/check_words.py", "bench", "loadtest", "CHANGELOG.md", "README.md",
    "*/migrations/*", "*.gen.ts",
)  # fmt: skip


# Each list with its features; some are of the server or of the page alone.
LISTED = {
    "app/config/features.py": {name_of(package) for package in FEATURES},
    "frontend/src/features/index.ts": set(re.findall(r"'\./(\w+)'", (ROOT / "frontend/src/features/index.ts").read_text())),
}


@pytest.mark.parametrize("name", sorted(set.union(*LISTED.values())))
def test_only_the_two_lists_name_a_feature(name: str) -> None:
    own = (f"app/features/{name}", f"frontend/src/features/{name}")
    # One feature names another one by a path beside its own folder.
    pattern = rf"features[./]{name}\b|from features import .*\b{name}\b|'\./{name}['/]|'\.\./{name}/"
    command = ["git", "grep", "-lE", pattern, "--", ".", *(f":!{path}" for path in (*own, *ELSEWHERE))]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode in {0, 1}, found.stderr
    assert set(found.stdout.split()) == {file for file, names in LISTED.items() if name in names}
