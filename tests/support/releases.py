"""The versions that installations may run.

Each release has its tag `v1.2.3`. The tree before the layers had no tag.
"""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The commit that added this file sorted app/ into layers; the renames, kinds of events and their migrations came after it.
FIRST_FILE_OF_THE_NEW = "docs/decisions/0012-layers.md"
BEFORE_LAYERS = "before-the-layers"


def releases(checkout: Path = ROOT) -> list[str]:
    """Return the tags of releases in this history, oldest first.

    The tag of this very commit and candidates are left out.
    """
    here = _git(checkout, "rev-parse", "HEAD").decode().strip()
    listed = _git(checkout, "tag", "--merged", "HEAD", "--sort=version:refname", "--list", "v[0-9]*").decode().split()
    return [tag for tag in listed if "-" not in tag and _git(checkout, "rev-list", "-1", tag).decode().strip() != here]


def versions(checkout: Path = ROOT) -> list[str]:
    """Return the versions to upgrade from.

    If git does not answer, return the tree before the layers alone: its tests then say why.
    """
    try:
        return [BEFORE_LAYERS, *releases(checkout)]
    except (OSError, subprocess.CalledProcessError):
        return [BEFORE_LAYERS]


def extract(version: str, directory: Path, *paths: str) -> None:
    """Extract the tree of a version, or these paths of it."""
    commit = _before(FIRST_FILE_OF_THE_NEW) if version == BEFORE_LAYERS else version
    subprocess.run(["tar", "-x", "-C", directory], input=_git(ROOT, "archive", commit, *paths), check=True, timeout=60)


def _before(file: str) -> str:
    """Return the parent of the commit that added a file.

    A hash would be another one in a rewritten history.
    """
    if _git(ROOT, "rev-parse", "--is-shallow-repository").strip() == b"true":
        pytest.skip("a shallow clone lacks the old version: git fetch --unshallow")
    added = _git(ROOT, "log", "--diff-filter=A", "--format=%H", "--", file).decode().split()
    assert added, f"git knows no commit that added {file}"
    parents = _git(ROOT, "rev-list", "--parents", "--max-count=1", added[-1]).decode().split()[1:]
    assert parents, f"the history begins with {file}"
    return parents[0]


def _git(checkout: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=checkout, check=True, stdout=subprocess.PIPE, timeout=60).stdout
