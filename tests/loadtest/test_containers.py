"""The manifests of the generator's containers agree with the code."""

from typing import Any

import pytest
import yaml

from loadtest import options
from tests.support.server import ROOT

OPTIONS = {name.upper().replace("-", "_") for name, _, _ in options.ARGUMENTS}
OURS = OPTIONS | {"ROLE", "MASTER", "EXPECT_WORKERS", "URL", "USERS", "SPAWN_RATE", "HEADLESS"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "compose.loadtest.yaml").read_text())["services"]
    return dict(loaded)


def workload(name: str) -> dict[str, Any]:
    """Return a Deployment of the component."""
    files = (ROOT / "k8s" / "components" / "loadtest").glob("*.yaml")
    objects = [item for file in files for item in yaml.safe_load_all(file.read_text())]
    return dict(next(item for item in objects if item["kind"] == "Deployment" and item["metadata"]["name"] == name))


def environment(name: str) -> dict[str, Any]:
    (container,) = workload(name)["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry.get("value") for entry in container["env"]}


def test_containers_start_only_with_their_profile(services: dict[str, Any]) -> None:
    assert {name: service["profiles"] for name, service in services.items()} == {name: ["loadtest"] for name in services}


def test_page_listens_on_loopback_only(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:${LOADTEST_PORT:-8089}:8089"]


def test_every_variable_is_known_to_the_generator(services: dict[str, Any]) -> None:
    for name in ("loadtest-master", "loadtest-worker"):
        assert set(services[name]["environment"]) <= OURS
        assert set(environment(name)) <= OURS


def test_every_variable_of_a_run_reaches_the_generator(services: dict[str, Any]) -> None:
    """Every option of scripts/load except directory and format of the output."""
    wanted = (OPTIONS | {"USERS", "SPAWN_RATE", "HEADLESS"}) - {"REPORT", "AS_JSON"}
    assert set(services["loadtest-master"]["environment"]) >= wanted
    mounted = [volume for volume in services["loadtest-master"]["volumes"] if isinstance(volume, dict)]
    assert [one["target"] for one in mounted] == [services["loadtest-master"]["environment"]["THRESHOLDS"]]


def test_master_waits_for_all_workers(services: dict[str, Any]) -> None:
    replicas = services["loadtest-worker"]["deploy"]["replicas"]
    assert services["loadtest-master"]["environment"]["EXPECT_WORKERS"] == replicas == "${LOADTEST_WORKERS:-2}"
    assert environment("loadtest-master")["EXPECT_WORKERS"] == str(workload("loadtest-worker")["spec"]["replicas"])


def test_image_has_the_generators_imports_and_no_app() -> None:
    locked = (ROOT / "requirements" / "load.txt").read_text()
    for package in ("locust", "websocket-client", "matplotlib"):
        assert f"\n{package}==" in f"\n{locked}"
    assert "\ndjango==" not in locked
    lines = (ROOT / "docker" / "loadtest.Dockerfile").read_text().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("COPY") and "--from" not in line] == [
        "requirements/load.txt",
        "loadtest/",
    ]
