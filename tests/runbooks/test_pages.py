"""The form of the runbooks, and their commands for a cluster.

Nothing here can run the commands for a cluster.
"""

import re
from pathlib import Path

import pytest
import yaml

from k8s.checks.manifests import Manifests
from k8s.checks.render import OVERLAYS, kustomize_command, render
from k8s.checks.schemas import Schemas
from tests.runbooks.book import EXECUTED, FOR_A_CLUSTER, PAGES, ROOT, SECTIONS, WRITTEN, blocks_of

pytestmark = [pytest.mark.once]

TESTS = (Path(__file__).parent / "test_runbooks.py").read_text()
VERIFICATION = (ROOT / "docs" / "verification.md").read_text()
INDEX = (ROOT / "docs" / "runbooks" / "README.md").read_text()
KINDS = {"deploy": "Deployment", "deployment": "Deployment", "statefulset": "StatefulSet", "secret": "Secret"}


def cluster_commands(page: Path) -> list[str]:
    return [line for block in blocks_of(page) if block.language == FOR_A_CLUSTER for line in block.text.splitlines()]


@pytest.mark.parametrize("name", PAGES)
def test_page_has_the_one_form(name: str) -> None:
    text = PAGES[name].read_text()
    assert tuple(re.findall(r"^## (.+)$", text, flags=re.MULTILINE)) == SECTIONS
    assert {block.language for block in blocks_of(PAGES[name])} <= {EXECUTED, FOR_A_CLUSTER, WRITTEN}
    assert f"({name}.md)" in INDEX


@pytest.mark.parametrize("name", PAGES)
def test_page_has_a_test_that_runs_all_of_it(name: str) -> None:
    """The fixture `book` fails a test that leaves a command out."""
    assert re.search(rf"^async def test_{name.replace('-', '_')}\(book: Book", TESTS, flags=re.MULTILINE)


@pytest.mark.parametrize("name", PAGES)
def test_commands_for_a_cluster_are_listed(name: str) -> None:
    section = re.search(rf"^\| \[{name}\]\(runbooks/{name}\.md\) \| (.+) \|$", VERIFICATION, flags=re.MULTILINE)
    listed = re.findall(r"`([^`]+)`", section[1]) if section else []
    assert listed == [command.replace("|", "\\|") for command in cluster_commands(PAGES[name])]


@pytest.fixture(scope="module")
def production() -> Manifests:
    return render(OVERLAYS / "production", kustomize_command())


@pytest.mark.parametrize("name", [name for name in PAGES if cluster_commands(PAGES[name])])
def test_commands_for_a_cluster_name_what_production_has(name: str, production: Manifests) -> None:
    there = {(item["kind"], item["metadata"]["name"]) for item in production.objects}
    named = 0
    for command in cluster_commands(PAGES[name]):
        for kind, thing in re.findall(r"\b(deploy|deployment|statefulset)/([a-z-]+)", command):
            assert (KINDS[kind], thing) in there, command
            named += 1
        for folder in re.findall(r"-[kf] (k8s/\S+)", command):
            assert (ROOT / folder).exists(), command
            named += 1
        named += any(
            word in command for word in ("secret hubbub-secrets", "pvc data-postgres-0", "pod postgres-0", "get pods", "NODE")
        )
    assert named


def test_pod_for_a_restore_fits_the_schemas(production: Manifests) -> None:
    pod = yaml.safe_load((ROOT / "k8s" / "restore-pod.yaml").read_text())
    assert [*Schemas().violations(Manifests([pod]))] == []
    (worker,) = (one for one in production.objects if (one["kind"], one["metadata"]["name"]) == ("Deployment", "worker"))
    (migrate,) = worker["spec"]["template"]["spec"]["initContainers"]
    (restore,) = pod["spec"]["containers"]
    (serving,) = worker["spec"]["template"]["spec"]["containers"]
    assert [one for one in restore["env"] if one not in migrate["env"] + serving["env"]] == []
    for part in ("securityContext", "resources"):
        assert restore[part].keys() == migrate[part].keys()
    labels = worker["spec"]["template"]["metadata"]["labels"]
    assert pod["metadata"]["labels"].items() <= (labels | {"app.kubernetes.io/part-of": "hubbub"}).items()
