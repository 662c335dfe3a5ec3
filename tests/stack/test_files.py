"""The stack's files agree with each other, without a start."""

import re
from typing import Any

import yaml

from config.variables import VARIABLES
from tests.stack.stack import ROOT

# Fixed by the image or made at each start; DEBUG must not be set on a reachable stack.
FIXED_IN_IMAGE = {"HOST", "PORT", "DATA_DIR", "FILES_DIR", "STATIC_ROOT", "PROMETHEUS_MULTIPROC_DIR", "RUNTIME_DIR", "DEBUG"}
# The role that owns the tables is for migrations alone.
FOR_MIGRATIONS = {"MIGRATE_DATABASE_URL"}
# Read by `make backup` and `make restore`, outside of the containers.
ON_THE_HOST = {"BACKUP_DIR", "BACKUP_ENCRYPT_TO", "BACKUP_IDENTITY", "BACKUP_KEEP"}


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def shared_stages(name: str) -> str:
    found = re.search(r"^# --- shared by .*?^# --- end", (ROOT / "docker" / name).read_text(), re.DOTALL | re.MULTILINE)
    assert found, name
    return found[0]


def test_both_images_share_their_build_stages() -> None:
    assert shared_stages("web.Dockerfile") == shared_stages("nginx.Dockerfile")


def test_every_setting_of_the_app_reaches_its_containers() -> None:
    known = {variable.name for variable in VARIABLES if variable.scope in {"app", "script"}}
    for service in ("web", "worker", "migrate"):
        one = compose()["services"][service]
        assert not set(one["environment"]) & set(one["secrets"])
        given = {*one["environment"], *one["secrets"]}
        assert known - given == FIXED_IN_IMAGE | ON_THE_HOST | (FOR_MIGRATIONS if service != "migrate" else set())
        assert given <= known


def test_settings_of_compose_are_listed_and_used() -> None:
    # Arguments of a load run are no settings.
    files = [file for file in ROOT.glob("compose*.yaml") if file.name != "compose.loadtest.yaml"]
    text = "".join(file.read_text() for file in files)
    services = [service for file in files for service in yaml.safe_load(file.read_text())["services"].values()]
    inherited = {name for one in services for name, value in (one.get("environment") or {}).items() if value is None}
    inherited |= {name for file in files for name in yaml.safe_load(file.read_text()).get("secrets", ())}
    used = set(re.findall(r"\$\{([A-Z_]+)", text)) | inherited | {"COMPOSE_PROFILES"}  # which compose reads by itself
    listed = {variable.name: variable.scope for variable in VARIABLES}
    assert used <= set(listed)
    assert {name for name, scope in listed.items() if scope == "compose"} <= used


def test_only_nginx_shares_a_network_with_web_and_publishes() -> None:
    services = compose()["services"]
    assert {name: set(service["networks"]) for name, service in services.items()} == {
        "nginx": {"edge"},
        "web": {"edge", "data"},
        "worker": {"data", "out"},
        "migrate": {"data"},
        "redis": {"data"},
        "postgres": {"data"},
    }
    assert compose()["networks"]["data"] == {"internal": True}
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]


def test_servers_wait_for_the_migration() -> None:
    for service in ("web", "worker"):
        needs = compose()["services"][service]["depends_on"]
        assert needs["migrate"] == {"condition": "service_completed_successfully"}
        assert needs["postgres"] == needs["redis"] == {"condition": "service_healthy"}
