"""scripts/audit sbom: the bills of materials name each package of the locks.

It fetches the program that writes them from the package registry.
"""

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support.server import ROOT

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]

Packages = set[tuple[str, str]]


@pytest.fixture(scope="module")
def bills() -> Path:
    """Write the bills of this checkout; return their folder."""
    folder = ROOT / "artifacts" / "sbom"
    for old in folder.glob("*.json"):
        old.unlink()
    done = subprocess.run([ROOT / "scripts" / "audit", "sbom"], capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def packages_of(bill: Path) -> Packages:
    """Return name and version of each component, by its package URL."""
    found = json.loads(bill.read_text())
    assert found["bomFormat"] == "CycloneDX"
    urls = [unquote(one["purl"]).partition("?")[0] for one in found["components"]]
    return {
        (name.lower().replace("_", "-"), version) for name, _, version in (url.split("/", 1)[1].rpartition("@") for url in urls)
    }


@pytest.mark.parametrize("lock", ["base", "traces", "acme"])
def test_bill_of_python_names_each_locked_package(bills: Path, lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    locked = set(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)", text, flags=re.MULTILINE))
    assert locked
    assert packages_of(bills / f"python-{lock}.json") == {(name.lower().replace("_", "-"), version) for name, version in locked}


def test_bill_of_the_page_names_each_locked_package(bills: Path) -> None:
    """Peers that a package brings are in the page's files, too; tools are not."""
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text())["packages"]
    needed = {
        (path.rpartition("node_modules/")[2], one["version"])
        for path, one in lock.items()
        if path and not (one.get("dev") or one.get("devOptional") or one.get("optional") or one.get("peer"))
    }
    tools = {(path.rpartition("node_modules/")[2], one["version"]) for path, one in lock.items() if one.get("dev")}
    known = {(path.rpartition("node_modules/")[2], one["version"]) for path, one in lock.items() if path}
    found = packages_of(bills / "frontend.json")
    assert "vue" in {name for name, _ in needed}
    assert needed <= found <= known
    assert found & tools <= needed


def test_bills_are_of_these_locks_alone(bills: Path) -> None:
    names = {path.name for path in bills.iterdir()}
    assert names == {"python-base.json", "python-traces.json", "python-acme.json", "frontend.json"}
