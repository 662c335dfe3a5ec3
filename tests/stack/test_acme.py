"""The ACME companion orders a certificate, and nginx uses it.

Each runs in its container.
"""

import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.nginx.authority import Authority
from tests.stack.rolling import docker, identities
from tests.stack.stack import Stack
from tests.support.ports import free_port
from tests.support.server import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

NAME = "chat.example.com"
VOLUMES = ("acme-account", "acme-certificates", "acme-challenges")
# The authority is on this machine, which a container reaches by its network's gateway.
OVERRIDE = """
services:
  acme:
    extra_hosts: ["authority:{gateway}"]
    environment: {{SSL_CERT_FILE: /authority.pem}}
    volumes: ["{certificate}:/authority.pem:ro"]
"""


@pytest.fixture
def ordering(stack: Stack, tmp_path: Path) -> Iterator[tuple[Stack, Authority, int]]:
    """The stack with its companion, an authority, and the port of TLS."""
    network = f"{stack.project}_out"
    gateway = docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", network).strip()
    (tmp_path / "authority").mkdir()
    port = free_port()
    made = Authority(tmp_path / "authority", stack.port, name="authority", listen="0.0.0.0")
    files = ["-f", "compose.yaml", "-f", "compose.acme.yaml", "-f", str(tmp_path / "override.yaml")]
    with made as authority:
        (tmp_path / "override.yaml").write_text(OVERRIDE.format(gateway=gateway, certificate=authority.own_certificate))
        authority.own_certificate.chmod(0o644)
        env = {"ACME_EMAIL": "ada@example.com", "ACME_DIRECTORY_URL": authority.url, "PUBLIC_URL": f"https://{NAME}"}
        env |= {"HTTPS_PORT": str(port)}
        try:
            built = stack.compose(*files, "build", "acme", env=env, timeout=200)
            assert built.returncode == 0, built.stderr
            for service in ("nginx", "acme"):
                started = stack.compose(
                    *files,
                    "up",
                    "--detach",
                    "--no-build",
                    "--no-deps",
                    *(["--wait"] if service == "nginx" else []),
                    service,
                    env=env,
                )
                assert started.returncode == 0, started.stderr
            yield stack, authority, port
        finally:
            stack.compose(*files, "rm", "--stop", "--force", "acme", env=env)
            stack.restore()
            docker("volume", "rm", *(f"{stack.project}_{name}" for name in VOLUMES))
            docker("image", "rm", f"{stack.project}-acme:{stack.project}")


def test_container_orders_what_nginx_uses(ordering: tuple[Stack, Authority, int]) -> None:
    stack, authority, port = ordering
    trust, deadline = authority.trust(), monotonic() + 60
    while True:
        try:
            with (
                socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
                trust.wrap_socket(plain, server_hostname=NAME),
            ):
                break
        except ssl.SSLCertVerificationError:
            assert monotonic() < deadline, stack.logs("acme") + stack.logs("nginx")[-2000:]
            sleep(0.5)
    # install.sh waits for this one.
    asks = re.findall(r"nginx sh -c \\\n +'(.*)' \\\n", (ROOT / "install.sh").read_text())
    stack_exec(stack, "nginx", "sh", "-c", *asks, "sh", NAME)
    with pytest.raises(subprocess.CalledProcessError):
        stack_exec(stack, "nginx", "sh", "-c", *asks, "sh", f"of.{NAME}")
    (container,) = stack.containers("acme")
    host = container["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert container["Config"]["User"] == "101:101"
    assert host["Memory"] > 0
    assert list(container["NetworkSettings"]["Networks"]) == [f"{stack.project}_out"]
    readable = stack_exec(stack, "acme", "find", "/srv/account", "/srv/certificates", "-type", "f", "-perm", "/077")
    assert readable == ""
    assert "account.pem" in stack_exec(stack, "acme", "ls", "/srv/account")
    assert stack_exec(stack, "acme", "python", "companion.py", "--check") == ""
    assert "account" not in stack_exec(stack, "nginx", "ls", "/srv")
    with pytest.raises(subprocess.CalledProcessError):
        stack_exec(stack, "nginx", "touch", "/srv/certificates/written")


def stack_exec(stack: Stack, service: str, *command: str) -> str:
    """Run a command in a service's container by the engine.

    compose.yaml alone does not know the companion.
    """
    return docker("exec", stack.containers(service)[0]["Id"], *command)


@pytest.fixture
def companion(settled: Stack) -> Iterator[tuple[Stack, dict[str, str]]]:
    """Provide the stack and the settings of an authority that does not answer.

    It builds the companion's image first, and restores the stack at the end.
    """
    stack = settled
    env = {"ACME_EMAIL": "ada@example.com", "ACME_DIRECTORY_URL": "https://192.0.2.1/directory", "PUBLIC_URL": f"https://{NAME}"}
    env |= {"HTTPS_PORT": str(free_port())}
    built = stack.compose("-f", "compose.yaml", "-f", "compose.acme.yaml", "build", "acme", env=env, timeout=200)
    assert built.returncode == 0, built.stderr
    try:
        yield stack, env
    finally:
        subprocess.run(["docker", "rm", "--force", *(one["Id"] for one in stack.containers("acme"))], check=False, timeout=60)
        stack.restore()
        docker("volume", "rm", *(f"{stack.project}_{name}" for name in VOLUMES))
        docker("image", "rm", "--force", f"{stack.project}-acme:{stack.project}")


@pytest.mark.drill
@pytest.mark.timeout(600)
def test_roll_starts_replaces_and_ends_the_companion(companion: tuple[Stack, dict[str, str]]) -> None:
    stack, env = companion
    image = f"{stack.project}-acme:{stack.project}"

    def roll(settings: dict[str, str], code: int = 0) -> str:
        answer = stack.script("roll", env=stack.env | settings)
        assert answer.returncode == code, answer.stderr
        return answer.stderr

    assert "Starting the ACME companion." in roll(env)
    (first,) = identities(stack, "acme")
    assert "companion" not in roll(env), "it is up to date"
    assert identities(stack, "acme") == [first]

    docker("build", "--tag", image, "-", text=f"FROM {image}\nLABEL release=next\n")
    assert "Replacing the ACME companion." in roll(env)
    (second,) = identities(stack, "acme")
    assert second[0] != first[0]
    assert stack.containers("acme")[0]["Config"]["Labels"]["release"] == "next"

    docker("tag", image, f"{image}-good")
    docker("build", "--tag", image, "-", text=f'FROM {image}\nCMD ["false"]\n')
    assert "the new ACME companion ended; all else is done, and the old one goes on" in roll(env, 1)
    (kept,) = stack.containers("acme")
    assert (kept["Id"], kept["State"]["Running"]) == (second[0], True)
    docker("tag", f"{image}-good", image)
    docker("image", "rm", f"{image}-good")

    assert "Ending" in roll({})
    assert stack.containers("acme") == []
