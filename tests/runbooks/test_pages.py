"""The form of the runbooks, and their commands for a cluster.

Nothing here can run the commands for a cluster.
"""

import json
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
KINDS = {
    "deploy": "Deployment",
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "cronjob": "CronJob",
    "hpa": "HorizontalPodAutoscaler",
}
# In this order.
WORDS_OF_RESTORE = [
    "restore --check-file",
    "Retain",
    "delete pvc data-postgres-0",
    "manage.py restore",
    "scale deployment/web --replicas=3",
]


def cluster_commands(page: Path, section: str = "") -> list[str]:
    return [
        line
        for block in blocks_of(page)
        if block.language == FOR_A_CLUSTER and section in {"", block.section}
        for line in block.text.splitlines()
    ]


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
def test_operators_own_settings_come_back(name: str) -> None:
    """A deleted line may be the operator's own.

    The last line of .env may lack its end.
    """
    blocks = [block for block in blocks_of(PAGES[name]) if block.language == EXECUTED]
    for block in blocks:
        assert not re.search(r">>\s*\.env|sed .*/d[;'\"].* \.env", block.text), block.text
    done, undone = (
        {word.partition("=")[0] for block in blocks if block.section == section for word in words_of_set(block.text)}
        for section in ("Do", "Undo")
    )
    assert done == undone


def words_of_set(text: str) -> list[str]:
    return [word for given in re.findall(r"scripts/set (?:--back )?(.+)", text) for word in given.split()]


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
        for kind, thing in re.findall(r"\b(deploy|deployment|statefulset|cronjob|hpa)[/ ]([a-z-]+)", command):
            assert (KINDS[kind], thing) in there, command
            named += 1
        for folder in re.findall(r"-[kf] (k8s/\S+)", command):
            assert (ROOT / folder).exists(), command
            named += 1
        named += any(
            word in command for word in ("secret hubbub-secrets", "pvc data-postgres-0", "pod postgres-0", "get pods", "NODE")
        )
    assert named


class Replicas:
    """The numbers of pods, as the commands of a page change them.

    The cluster has no load.
    """

    def __init__(self, production: Manifests) -> None:
        self.production = production
        self.of: dict[str, int] = {}
        # An autoscaler's bounds, by the name of its target.
        self.bounds: dict[str, tuple[int, int]] = {}
        self.scaled: dict[str, str] = {}
        for one in production.objects:
            if one["kind"] == "HorizontalPodAutoscaler":
                target, spec = one["spec"]["scaleTargetRef"], one["spec"]
                self.scaled[one["metadata"]["name"]] = f"{target['kind'].lower()}/{target['name']}"
                self.bounds[self.scaled[one["metadata"]["name"]]] = spec["minReplicas"], spec["maxReplicas"]
        self.apply()

    def apply(self) -> None:
        """Set the numbers that stand in the manifests.

        An autoscaled Deployment has none there.
        """
        for one in self.production.objects:
            name = f"{one['kind'].lower()}/{one['metadata']['name']}"
            if one["kind"] in {"Deployment", "StatefulSet"}:
                self.of[name] = one["spec"].get("replicas", self.of.get(name, 1))
        self.settle()

    def settle(self) -> None:
        """Bring the autoscaled ones into their bounds; at 0 an autoscaler is switched off."""
        for name, (low, _) in self.bounds.items():
            self.of[name] = self.of[name] and low

    def run(self, commands: list[str]) -> dict[str, int]:
        for command in commands:
            if patch := re.search(r" patch hpa (\S+) .*-p '(.*)'", command):
                name, spec = self.scaled[patch[1]], json.loads(patch[2])["spec"]
                assert spec.keys() == {"minReplicas"}
                assert spec["minReplicas"] <= self.bounds[name][1], command
                self.bounds[name] = spec["minReplicas"], self.bounds[name][1]
            elif number := re.search(r" scale .*--replicas=(\d+)", command):
                for name in re.findall(r"\b(?:deployment|statefulset)/[a-z-]+", command):
                    self.of[name] = int(number[1])
            elif " apply -k " in command:
                self.apply()
            self.settle()
        return self.of


@pytest.mark.parametrize("name", [name for name in PAGES if cluster_commands(PAGES[name])])
def test_commands_for_a_cluster_leave_all_pods_serving(name: str, production: Manifests) -> None:
    before = Replicas(production).of
    assert Replicas(production).run(cluster_commands(PAGES[name])) == before


@pytest.mark.parametrize(("name", "more"), [("scale", 4), ("hot-room", 6)])
def test_more_pods_stay_beside_the_autoscaler(name: str, more: int, production: Manifests) -> None:
    replicas = Replicas(production)
    assert replicas.run(cluster_commands(PAGES[name], "Do"))["deployment/web"] == more
    assert replicas.run(cluster_commands(PAGES[name], "Undo"))["deployment/web"] == 3


def test_restore_begins_with_an_empty_database(production: Manifests) -> None:
    """The old claim goes while no pod has it open.

    The backup was read before, and the claim's disk is kept.
    """
    commands = cluster_commands(PAGES["restore"], "Do")
    place = {word: number for number, command in enumerate(commands) for word in WORDS_OF_RESTORE if word in command}
    assert sorted(place, key=lambda word: place[word]) == WORDS_OF_RESTORE
    emptied = Replicas(production).run(commands[: place["delete pvc data-postgres-0"]])
    assert {name: emptied[name] for name in ("deployment/web", "deployment/worker", "statefulset/postgres")} == {
        "deployment/web": 0,
        "deployment/worker": 0,
        "statefulset/postgres": 0,
    }
    (web,) = (one for one in production.objects if (one["kind"], one["metadata"]["name"]) == ("Deployment", "web"))
    assert "replicas" not in web["spec"], "an apply would start web"


def test_restore_of_a_stack_reads_the_backup_before_it_deletes() -> None:
    text = "".join(block.text for block in blocks_of(PAGES["restore"]) if (block.section, block.language) == ("Do", EXECUTED))
    check, delete, restore = (
        text.index(command)
        for command in ("make restore ARGS=--check FROM=latest", "scripts/clean --volume", "make restore FROM=latest")
    )
    assert check < delete < restore


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
