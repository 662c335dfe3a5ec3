"""The pods start without root, capabilities or a writable root."""

from __future__ import annotations

import base64
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import redis
import yaml

from k8s.checks.manifests import Manifests
from k8s.checks.render import HERE, combined, render
from ops.backup import archive
from tests.k8s.pods import Cluster, Pod, docker

# The first test with an image builds it.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def secrets() -> dict[str, str]:
    """The values from k8s/create_secrets."""
    done = subprocess.run([HERE / "create_secrets", "hubbub", "--print"], capture_output=True, text=True, timeout=30, check=True)
    return {key: base64.b64decode(value).decode() for key, value in yaml.safe_load(done.stdout)["data"].items()}


@pytest.fixture(scope="module")
def cluster(kustomize: list[str], secrets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Production with its nightly backup."""
    folder = tmp_path_factory.mktemp("overlay")
    production: Manifests = render(combined(("autoscaling", "backup", "ingress"), folder), kustomize)
    with Cluster(production, secrets) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def data(cluster: Cluster) -> dict[str, Pod]:
    """Redis and Postgres, ready."""
    pods = {"redis": cluster.start("Deployment/redis"), "postgres": cluster.start("StatefulSet/postgres")}
    for pod in pods.values():
        pod.until("startupProbe")
    return pods


@pytest.fixture(scope="module")
def web(cluster: Cluster, data: dict[str, Pod]) -> Pod:
    """A web pod as in a rollout: started, then migrated, then ready."""
    assert data["postgres"].probe("readinessProbe")
    pod = cluster.start("Deployment/web")
    pod.until("startupProbe")
    assert not pod.probe("readinessProbe"), "ready before the migrations"
    assert pod.probe("livenessProbe")
    migrate = cluster.start("Deployment/worker", init="migrate")
    assert migrate.wait(120) == 0, migrate.logs()
    pod.until("readinessProbe")
    return pod


@pytest.fixture(scope="module")
def nginx(cluster: Cluster, web: Pod) -> Pod:
    assert web.probe("readinessProbe")
    pod = cluster.start("Deployment/nginx")
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        pod.until(probe)
    return pod


def test_redis_starts_and_asks_for_its_password(data: dict[str, Pod], secrets: dict[str, str]) -> None:
    pod = data["redis"]
    for probe in ("readinessProbe", "livenessProbe"):
        pod.until(probe)
    with redis.Redis(host=pod.address, socket_timeout=5) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis(host=pod.address, password=secrets["REDIS_PASSWORD"], socket_timeout=5) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("save") == {"save": ""}
    assert secrets["REDIS_PASSWORD"] not in docker("top", pod.id, "-eo", "pid,args").stdout + pod.logs()


def test_postgres_starts_on_a_volume_of_its_group(data: dict[str, Pod], secrets: dict[str, str]) -> None:
    pod = data["postgres"]
    for probe in ("readinessProbe", "livenessProbe"):
        pod.until(probe)
    url = secrets["DATABASE_URL"].replace("@postgres:", f"@{pod.address}:")
    with psycopg.connect(url, connect_timeout=5) as connection:
        shown = connection.execute("SELECT current_user, current_setting('max_connections'), current_setting('data_checksums')")
        assert shown.fetchone() == ("hubbub", "300", "on")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(secrets["POSTGRES_PASSWORD"], "wrong"), connect_timeout=5)
    assert secrets["POSTGRES_PASSWORD"] not in docker("top", pod.id, "-eo", "pid,args").stdout + pod.logs()


def test_app_is_reachable_through_nginx_by_its_public_name(nginx: Pod) -> None:
    behind_tls = {"Host": "chat.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
    with httpx.Client(base_url=f"http://{nginx.address}:8080", headers=behind_tls, timeout=10) as client:
        assert client.get("/readyz").status_code == 200
        assert client.get("/accounts/sign-in/").status_code == 200
        assert client.get("/accounts/sign-in/", headers={"Host": "evil.example.com"}).status_code == 400
        assert client.get("/metrics").status_code == 404
        # Sign-up is closed in Kubernetes unless the overlay opens it.
        signup = client.post("/api/signup", json={"username": "stranger", "password": "let-me-in-please"})
        assert signup.status_code == 403


def test_web_runs_as_many_workers_as_its_limit_has_cpus(web: Pod) -> None:
    shown = docker("exec", web.id, "scripts/run_gunicorn.sh", "--print").stdout
    assert "workers: 2\n" in shown


def test_worker_is_alive_until_it_hangs(cluster: Cluster, web: Pod) -> None:
    assert web.probe("readinessProbe")
    worker = cluster.start("Deployment/worker")
    worker.until("livenessProbe")
    deadline = time.monotonic() + 60
    while "Starting worker" not in worker.logs():  # a signal before that would end it at once
        assert time.monotonic() < deadline, worker.logs()
        time.sleep(0.2)
    time.sleep(3)
    assert worker.probe("livenessProbe"), worker.logs()
    signal_child(worker, "STOP")
    worker.probe("livenessProbe")
    time.sleep(3)
    assert not worker.probe("livenessProbe")
    signal_child(worker, "CONT")
    worker.until("livenessProbe")
    assert worker.stop() == 0, worker.logs()


def test_backup_of_the_night_can_be_read(cluster: Cluster, web: Pod, tmp_path: Path) -> None:
    assert web.probe("readinessProbe")
    job = cluster.start("CronJob/backup")
    assert job.wait(60) == 0, job.logs()
    assert "could not be stored" not in job.logs(), "the alert HubbubBackupOld goes by its time"
    docker("cp", f"{job.id}:/backups/.", str(tmp_path))
    (file,) = tmp_path.iterdir()
    assert re.fullmatch(r"hubbub-\d{8}T\d{6}Z-[0-9a-f]{8}\.tar\.gz", file.name)
    with file.open("rb") as stream:
        _, manifest = archive.verify(stream)
    assert "rooms_room" in manifest.tables


def signal_child(pod: Pod, name: str) -> None:
    """Send the signal to the container's init process."""
    docker("exec", pod.id, "sh", "-ec", f'kill -{name} $(cut -d" " -f1 /proc/1/task/1/children)')


@pytest.mark.parametrize("name", ["Deployment/worker", "Deployment/web"])
def test_pod_ends_on_sigterm_during_its_start(cluster: Cluster, web: Pod, name: str) -> None:
    """Without a handler, process 1 ignores SIGTERM.

    Python installs its handler late.
    """
    pod = cluster.start(name)
    assert pod.stop() in {128 + signal.SIGTERM, 0}, "0 if it started before the signal came"


def test_nginx_terminates_tls_without_an_ingress(kustomize: list[str], tmp_path: Path) -> None:
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=chat.example.com"]
    files = {"tls.crt": tmp_path / "certificate", "tls.key": tmp_path / "key"}
    keys = ["-keyout", str(files["tls.key"]), "-out", str(files["tls.crt"])]
    subprocess.run([*make, *keys], capture_output=True, timeout=60, check=True)
    manifests = render(combined(("tls-at-nginx",), tmp_path), kustomize)
    with Cluster(manifests, {key: file.read_text() for key, file in files.items()}) as cluster:
        pod = cluster.start("Deployment/nginx")
        for probe in ("readinessProbe", "livenessProbe"):
            pod.until(probe)
        assert not pod.probe("startupProbe"), "no web pod exists here for nginx to find"
        assert pod.workload.port("https") == 8443
        secure = httpx.get(f"https://{pod.address}:8443/nginx-healthz", verify=False, timeout=10)
        assert (secure.status_code, secure.headers["strict-transport-security"]) == (200, "max-age=31536000")
        plain = httpx.get(f"http://{pod.address}:8080/chat/", headers={"Host": "chat.example.com"}, timeout=10)
        assert (plain.status_code, plain.headers["location"]) == (308, "https://chat.example.com/chat/")


def test_web_ends_within_its_grace_period(nginx: Pod, web: Pod) -> None:
    """The last test of the module, as it ends web."""
    assert web.stop() == 0, web.logs()
    # nginx stays ready: otherwise clients would get a refused connection in place of a 503.
    assert nginx.probe("readinessProbe")
    assert httpx.get(f"http://{nginx.address}:8080/readyz", timeout=15).status_code in {502, 503, 504}
