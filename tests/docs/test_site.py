"""docs/ as a site: every page is in a menu, and a dead link fails the build."""

import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from tests.support.server import ROOT

pytestmark = pytest.mark.once


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build a copy of docs/ that lies in `folder`."""
    config = (
        f"INHERIT: {ROOT}/mkdocs.yml\ndocs_dir: {folder}/docs\nsite_dir: {folder}/site\nhooks: [{ROOT}/scripts/docs_hooks.py]\n"
    )
    (folder / "mkdocs.yml").write_text(config)
    command: list[str | Path] = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", folder / "mkdocs.yml"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=folder)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    return tmp_path


def test_site_has_every_page_and_asks_no_other_host(copy: Path) -> None:
    done = build(copy)
    assert done.returncode == 0, done.stderr
    for page in (ROOT / "docs").rglob("*.md"):
        relative = page.relative_to(ROOT / "docs")
        folder = relative.parent if page.name in {"README.md", "index.md"} else relative.with_suffix("")
        assert (copy / "site" / folder / "index.html").is_file(), relative
    start = (copy / "site" / "index.html").read_text()
    for name in ("Deploying", "Redis lost", "Webhooks"):
        assert name in start or name in (copy / "site" / "search" / "search_index.json").read_text()
    assert "fonts.googleapis" not in start


def test_dead_links_anchors_and_pages_in_no_menu_fail_the_build(copy: Path) -> None:
    faults = (
        ("deploy.md", "[gone](gone.md)", "gone.md"),
        ("deploy.md", "[gone](scaling.md#no-such-heading)", "no-such-heading"),
        ("deploy.md", "[gone](../k8s/gone.yaml)", "../k8s/gone.yaml"),
        ("alone.md", "# In no menu", "alone.md"),
    )
    for page, text, _ in faults:
        with (copy / "docs" / page).open("a") as file:
            file.write(f"\n{text}\n")
    done = build(copy)
    assert done.returncode != 0
    for _, _, says in faults:
        assert says in done.stderr
    # Each of them alone would do: a build with a warning fails.
    assert f"Aborted with {len(faults)} warnings in strict mode" in done.stdout


def test_links_to_sources_lead_to_the_forge() -> None:
    config = {"repo_url": "https://forge.example/hubbub/"}
    spec = spec_from_file_location("docs_hooks", ROOT / "scripts" / "docs_hooks.py")
    assert spec is not None
    assert spec.loader is not None
    hooks = module_from_spec(spec)
    spec.loader.exec_module(hooks)

    class Page:
        class file:  # noqa: N801
            src_uri = "features/polls.md"

    said = hooks.on_page_markdown(
        "[the file](../../compose.yaml#x) `[not](../a-link)` [page](../deploy.md)", page=Page, config=config
    )
    assert said == "[the file](https://forge.example/hubbub/blob/main/compose.yaml#x) `[not](../a-link)` [page](../deploy.md)"
    assert hooks.on_page_markdown("[the file](../../compose.yaml)", page=Page, config={"repo_url": ""}) == "the file"
