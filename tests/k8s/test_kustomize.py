"""k8s/kustomize finds or unpacks a renderer, or names the missing package."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from k8s.checks.render import CHECKOUT
from tests.support.ports import free_port

OLD = "#!/bin/sh\necho 'error: json: unknown field \"components\"' >&2\nexit 1\n"
SOURCES = {
    "sources.list": "# main\ndeb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] {mirror} bookworm main contrib\n",
    "sources.list.d/debian.sources": (
        "Types: deb deb-src\n# a snapshot: http://other.invalid/debian\nURIs: {mirror}\nSuites: bookworm bookworm-updates\n"
        "Components: main\nSigned-By: /usr/share/keyrings/x.gpg\n\n"
        "Types: deb\nURIs: http://security.invalid\nSuites: bookworm-security\nComponents: main\n"
    ),
}
FOREIGN = {
    "sources.list.d/a.list": "deb http://vendor.invalid/apt bookworm stable\ndeb http://cloud.invalid/apt cloud-bookworm main\n",
    "sources.list.d/a.sources": "Types: deb\nURIs: http://node.invalid\nSuites: nodistro\nComponents: main\n",
}


class Machine:
    """A checkout with the script on a made-up machine.

    Kubectl and kustomize are too old.
    """

    def __init__(self, folder: Path) -> None:
        self.checkout, self.etc, self.bin = folder / "checkout", folder / "etc", folder / "bin"
        (self.checkout / "scripts").mkdir(parents=True)
        shutil.copy(CHECKOUT / "scripts/check_k8s_kustomize", self.checkout / "scripts")
        shutil.copytree(CHECKOUT / "k8s/checks/probe", self.checkout / "k8s/checks/probe")
        (self.etc / "apt/sources.list.d").mkdir(parents=True)
        self.bin.mkdir()
        for name in ("kubectl", "kustomize"):
            self.program(name, OLD)

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def is_debian(self, *sources: tuple[str, str]) -> dict[str, str]:
        (self.etc / "os-release").write_text('PRETTY_NAME="Debian"\nID=debian\nVERSION_CODENAME=bookworm\n')
        for name, text in sources:
            (self.etc / "apt" / name).write_text(text)
        return {"OS_RELEASE": str(self.etc / "os-release"), "APT_ETC": str(self.etc / "apt")}

    def ask(self, **env: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.bin}:{os.environ['PATH']}"
        command = [self.checkout / "scripts/check_k8s_kustomize"]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=110, check=False, env=os.environ | {"PATH": path} | env
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_capable_renderer_on_the_path_is_used(machine: Machine, kustomize: list[str]) -> None:
    real = shutil.which(kustomize[0])
    machine.program("kustomize", f'#!/bin/sh\n[ "$1" = build ] || exit 1\nshift\nexec {real} {kustomize[1]} "$@"\n')
    done = machine.ask()
    assert (done.returncode, done.stdout) == (0, "kustomize build\n"), done.stderr


def test_debian_package_is_unpacked_else_its_name_is_printed(machine: Machine) -> None:
    file = Path("/etc/os-release")
    release = f"\n{file.read_text()}\n" if file.exists() else ""
    done = machine.ask()
    if "\nID=debian\n" in release:
        assert done.stdout == f"{machine.checkout}/var/tools/kustomize/usr/bin/kustomize build\n", done.stderr
        again = machine.ask()
        assert (again.stdout, again.stderr) == (done.stdout, "")
    else:
        assert "install kubectl 1.27 or later, or kustomize 5" in done.stderr


def test_other_system_gets_the_name_of_the_package(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text("ID=fedora\n")
    done = machine.ask(OS_RELEASE=str(tmp_path / "os-release"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "install kubectl 1.27 or later, or kustomize 5" in done.stderr
    assert "brew install kustomize" in done.stderr


@pytest.mark.parametrize("name", SOURCES)
def test_mirror_matches_the_release_of_the_machine(machine: Machine, name: str) -> None:
    mirror = f"http://127.0.0.1:{free_port()}/mirror/debian"  # no server listens there: apt names the address
    env = machine.is_debian(*FOREIGN.items(), (name, SOURCES[name].format(mirror=mirror)))
    done = machine.ask(**env)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{mirror}/dists/trixie" in done.stderr
    assert ".invalid" not in done.stderr


def test_debian_without_a_mirror_gets_an_error(machine: Machine) -> None:
    done = machine.ask(**machine.is_debian(*FOREIGN.items()))
    assert (done.returncode, done.stdout) == (1, "")
    assert "no Debian mirror for bookworm in apt's sources" in done.stderr
