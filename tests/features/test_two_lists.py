"""A feature is its folders and a line in two lists: no other file names it."""

import subprocess

import pytest

from config.features import FEATURES, name_of
from tests.support.server import ROOT

pytestmark = pytest.mark.once

LISTS = {"app/config/features.py", "frontend/src/features/index.ts"}
# Tests of both halves, words for readers and where they are held, measurements, history, and what `make protocol` writes.
ELSEWHERE = (
    "tests", "frontend/tests", "docs", "scripts/check_words.py", "bench", "loadtest", "CHANGELOG.md", "README.md",
    "*/migrations/*", "*.gen.ts",
)  # fmt: skip


@pytest.mark.parametrize("name", [name_of(package) for package in FEATURES])
def test_only_the_two_lists_name_a_feature(name: str) -> None:
    own = (f"app/features/{name}", f"frontend/src/features/{name}")
    pattern = rf"features[./]{name}\b|'\./{name}'"
    command = ["git", "grep", "-lE", pattern, "--", ".", *(f":!{path}" for path in (*own, *ELSEWHERE))]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode in {0, 1}, found.stderr
    assert set(found.stdout.split()) <= LISTS
    assert "app/config/features.py" in found.stdout.split()
