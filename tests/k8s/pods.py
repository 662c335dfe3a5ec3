"""Runs a pod of the manifests in Docker, with the same limits and probes.

The Kubernetes API, scheduling and network policies are missing here.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
import time
import uuid
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx

from k8s.checks.manifests import Manifests, Workload
from k8s.checks.render import CHECKOUT
from k8s.checks.rules.images import OURS, repository
from k8s.checks.rules.secrets import DOCUMENTED
from tests.k8s.planting import find

BUILD_TIMEOUT_S = 1200


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def docker(*arguments: str, check: bool = True, timeout: float = 60, stdin: bytes = b"") -> Done:
    """Run one docker command; raises with its output when it fails and `check` is on."""
    done = subprocess.run(["docker", *arguments], capture_output=True, input=stdin, timeout=timeout, check=False)
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    if check and done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments[:2])} ended with {done.returncode}: {out}{err}")
    return Done(done.returncode, out, err)


class Cluster:
    """A network, its containers and their built images; leaving removes them all."""

    def __init__(self, manifests: Manifests, secrets: dict[str, str]) -> None:
        self.manifests, self.secrets = manifests, secrets
        self.network = f"hubbub-k8s-{uuid.uuid4().hex[:10]}"
        self._helper: str = find(manifests, "Deployment/redis")["spec"]["template"]["spec"]["containers"][0]["image"]
        self._pods: list[Pod] = []
        self._volumes: list[str] = []
        self._images: dict[str, str] = {}

    def __enter__(self) -> Self:
        docker("network", "create", self.network)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for pod in self._pods:
            docker("rm", "--force", "--volumes", pod.id, check=False)
        docker("volume", "rm", "--force", *self._volumes, check=False)
        docker("network", "rm", self.network, check=False)
        docker("rmi", *self._images.values(), check=False)

    def start(self, reference: str, init: str = "") -> Pod:
        """Start the pod of Kind/name, or its init container.

        Images of ours are built here.
        """
        workload = Workload(find(self.manifests, reference))
        container = next(one for one in workload.containers if one["name"] == init) if init else workload.pod["containers"][0]
        pod = Pod(docker("run", "--detach", *self._arguments(workload, container)).stdout.strip(), workload)
        self._pods.append(pod)
        return pod

    def _image(self, container: dict[str, Any]) -> str:
        name = repository(container)
        if name not in OURS:
            return str(container["image"])
        if name not in self._images:
            tag, file = f"{name}:{self.network}", f"docker/{name.removeprefix('hubbub-')}.Dockerfile"
            build = ["build", "--quiet", "--tag", tag, "--file", str(CHECKOUT / file), str(CHECKOUT)]
            docker(*build, timeout=BUILD_TIMEOUT_S)
            self._images[name] = tag
        return self._images[name]

    def _arguments(self, workload: Workload, container: dict[str, Any]) -> list[str]:
        security = workload.pod["securityContext"]
        limits, name = container["resources"]["limits"], workload.item["metadata"]["name"]
        arguments = ["--network", self.network, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        arguments += ["--network-alias", name]
        arguments += ["--user", f"{security['runAsUser']}:{security['runAsGroup']}", "--group-add", str(security["fsGroup"])]
        arguments += ["--cpus", limits["cpu"], "--memory", limits["memory"].removesuffix("i")]
        for variable, value in self.manifests.environment(container):
            if value is not None:  # an optional key, which the Secret of these pods lacks
                arguments += ["--env", f"{variable}={value}"]
        for mount in container.get("volumeMounts", []):
            arguments += self._mount(workload, mount, int(security["fsGroup"]))
        if "command" in container:
            arguments += ["--entrypoint", container["command"][0]]
        return [*arguments, self._image(container), *container.get("command", [])[1:], *container.get("args", [])]

    def _mount(self, workload: Workload, mount: dict[str, Any], group: int) -> list[str]:
        volumes = {volume["name"]: volume for volume in workload.pod.get("volumes", [])}
        volume, files = volumes.get(mount["name"], {}), dict[str, str]()
        if "secret" in volume:
            every = [{"key": key, "path": key} for key in DOCUMENTED[volume["secret"]["secretName"]]]
            files = {item["path"]: self.secrets[item["key"]] for item in volume["secret"].get("items", every)}
        elif "configMap" in volume:
            files = find(self.manifests, f"ConfigMap/{volume['configMap']['name']}")["data"]
        name = f"{self.network}-{len(self._volumes)}"
        docker("volume", "create", name)
        self._volumes.append(name)
        # As from the kubelet: owned by root, with access for the pod's group.
        options = ["run", "--rm", "--interactive", "--user", "0:0", "--network", "none", "--volume", f"{name}:/volume"]
        docker(*options, self._helper, "tar", "-x", "-p", "-C", "/volume", stdin=_archive(files, group))
        return ["--mount", f"type=volume,src={name},dst={mount['mountPath']},volume-nocopy" + (",readonly" if files else "")]


class Pod:
    """A running container and the probes of its manifest."""

    def __init__(self, identifier: str, workload: Workload) -> None:
        self.id, self.workload = identifier, workload
        self.container: dict[str, Any] = workload.pod["containers"][0]

    @property
    def address(self) -> str:
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return docker("inspect", "--format", form, self.id).stdout.strip()

    def logs(self) -> str:
        done = docker("logs", self.id, check=False)
        return done.stdout + done.stderr

    def probe(self, kind: str) -> bool:
        """Run a probe once, like the kubelet: any status from 200 to 399, or exit code 0."""
        probe = self.container[kind]
        if "exec" in probe:
            return docker("exec", self.id, *probe["exec"]["command"], check=False).returncode == 0
        port = self.workload.port(probe["httpGet"]["port"])
        try:
            url = f"http://{self.address}:{port}{probe['httpGet']['path']}"
            return 200 <= httpx.get(url, timeout=probe["timeoutSeconds"]).status_code < 400
        except httpx.TransportError:
            return False

    def until(self, kind: str) -> None:
        """Wait until a probe succeeds, within its manifest's limits.

        Raises with the output.
        """
        probe = self.container[kind]
        end = time.monotonic() + max(30, probe["periodSeconds"] * probe["failureThreshold"])
        while not self.probe(kind):
            if time.monotonic() > end or self.exit_code() is not None:
                raise AssertionError(f"{self.workload.ref}: {kind} never succeeded:\n{self.logs()}")
            time.sleep(0.5)

    def stop(self) -> int:
        """Run preStop, send SIGTERM, return the exit code; raises after the grace period."""
        docker("kill", "--signal", "TERM", self.id)
        grace = self.workload.pod["terminationGracePeriodSeconds"] - self.workload.pre_stop_seconds()
        return self.wait(grace)

    def wait(self, seconds: float) -> int:
        """Return the exit code.

        Raises with the output if it still runs after so many seconds.
        """
        end = time.monotonic() + seconds
        while (code := self.exit_code()) is None:
            if time.monotonic() > end:
                raise AssertionError(f"{self.workload.ref} still runs after {seconds} s:\n{self.logs()}")
            time.sleep(0.3)
        return code

    def exit_code(self) -> int | None:
        """Return the exit code, None while it runs."""
        running, code = docker("inspect", "--format", "{{.State.Running}} {{.State.ExitCode}}", self.id).stdout.split()
        return None if running == "true" else int(code)


def _archive(files: dict[str, str], group: int) -> bytes:
    """Return a tar of a volume's root and its files, readable by the group only."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        root = tarfile.TarInfo("./")
        root.type, root.mode, root.gid = tarfile.DIRTYPE, 0o2775, group
        archive.addfile(root)
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.mode, entry.gid, entry.size = 0o440, group, len(content.encode())
            archive.addfile(entry, io.BytesIO(content.encode()))
    return stream.getvalue()
