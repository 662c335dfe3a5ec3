"""The Secret made before the first apply has every key of the manifests."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from k8s.checks.manifests import Manifests
from k8s.checks.render import HERE
from k8s.checks.rules.secrets import DOCUMENTED
from k8s.checks.schemas import Schemas
from tests.k8s.planting import find

SCRIPT = HERE / "create_secrets"

# The only stand-in in these tests: no cluster is at hand. It records its calls as a cluster would.
KUBECTL = """#!/bin/sh
echo "kubectl $*" >>"$KEPT/calls"
case "$*" in
  "get namespace "*) test -e "$KEPT/namespace" ;;
  *" get secret "*) test -e "$KEPT/secret" ;;
  "create --filename=-")
    object=$(cat)
    case $object in
      *"kind: Namespace"*) echo "$object" >"$KEPT/namespace" ;;
      *) echo "$object" >"$KEPT/secret" ;;
    esac ;;
  "-n hubbub create --filename=-") test -e "$KEPT/namespace" && cat >"$KEPT/others" ;;
  *) exit 9 ;;
esac
"""
PAGES = [*HERE.rglob("*.md"), *(HERE.parent / "docs").rglob("*.md")]


def run(*arguments: str, path: Path | None = None, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    if path:
        clean |= {"PATH": f"{path}:{clean['PATH']}", "KEPT": str(path)}
    return subprocess.run(
        [SCRIPT, *arguments], capture_output=True, text=True, timeout=30, check=False, env=clean | dict(env or {})
    )


def printed(**env: str) -> dict[str, str]:
    done = run("hubbub", "--print", env=env)
    assert done.returncode == 0, done.stderr
    return {key: base64.b64decode(value).decode() for key, value in yaml.safe_load(done.stdout)["data"].items()}


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    return tmp_path


def test_secret_has_the_documented_keys() -> None:
    item = yaml.safe_load(run("hubbub-staging", "--print").stdout)
    assert (item["kind"], item["metadata"]) == ("Secret", {"name": "hubbub-secrets", "namespace": "hubbub-staging"})
    assert list(Schemas().violations(Manifests([item]))) == []
    assert item["data"].keys() == DOCUMENTED["hubbub-secrets"]


def test_urls_of_the_secret_work_with_the_manifests(production: Manifests) -> None:
    values = printed()
    database, redis = urlsplit(values["DATABASE_URL"]), urlsplit(values["REDIS_URL"])
    owner = urlsplit(values["MIGRATE_DATABASE_URL"])
    made = (HERE / "base" / "postgres-role.sh").read_text()
    assert f"CREATE ROLE {database.username} LOGIN NOSUPERUSER" in made
    assert f"CREATE DATABASE {database.path.removeprefix('/')} OWNER {database.username};" in made
    assert f"CREATE ROLE {owner.username} LOGIN NOSUPERUSER" in made
    assert (owner.password, owner.path) == (values["POSTGRES_OWNER_PASSWORD"], database.path)
    assert (database.password, redis.password) == (values["POSTGRES_PASSWORD"], values["REDIS_PASSWORD"])
    for url in (database, redis):
        service = find(production, f"Service/{url.hostname}")
        assert url.port in {port["port"] for port in service["spec"]["ports"]}


def test_every_value_is_long_and_unique() -> None:
    values = [value for _ in range(2) for name, value in printed().items() if not name.endswith("_URL")]
    assert len(set(values)) == len(values) == 8
    assert all(len(value) >= 50 for value in values)


def test_external_services_are_used_as_given() -> None:
    own = {
        "DATABASE_URL": "postgresql://ada:p%40ss'\"$x@db.example.com:5433/chat?sslmode=require",
        "REDIS_URL": "rediss://:x@r:1/2",
    }
    values = printed(**own)
    assert {name: values[name] for name in own} == own
    assert values["MIGRATE_DATABASE_URL"] == own["DATABASE_URL"]
    own["MIGRATE_DATABASE_URL"] = "postgres://owner:x@db.example.com:5433/chat"
    assert printed(**own)["MIGRATE_DATABASE_URL"] == own["MIGRATE_DATABASE_URL"]


@pytest.mark.parametrize(
    ("arguments", "env", "says"),
    [
        ((), {}, "Usage"),
        (("--help",), {}, "Usage"),
        (("hubbub", "--dry-run"), {}, "Usage"),
        (("Not A Name",), {}, "'Not A Name' is no name of a namespace"),
        (("hubbub", "--print"), {"DATABASE_URL": "sqlite:///x"}, "DATABASE_URL must start with postgres://"),
        (("hubbub", "--print"), {"REDIS_URL": "localhost:6379"}, "REDIS_URL must start with redis://, rediss:// or sentinel://"),
    ],
)
def test_wrong_use_is_refused_by_name(arguments: tuple[str, ...], env: dict[str, str], says: str) -> None:
    done = run(*arguments, env=env)
    assert done.returncode != 0
    assert done.stdout == ""
    assert says in done.stderr


def test_namespace_and_secret_are_created_without_argv_secrets(cluster: Path) -> None:
    done = run("hubbub", path=cluster)
    assert done.returncode == 0, done.stderr
    values = yaml.safe_load((cluster / "secret").read_text())["data"]
    said = (cluster / "calls").read_text() + done.stdout + done.stderr
    namespace = yaml.safe_load((cluster / "namespace").read_text())
    assert list(Schemas().violations(Manifests([namespace]))) == []
    labels = namespace["metadata"]["labels"]
    modes = {mode: labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")}
    assert set(modes.values()) == {"restricted"}, modes
    assert not [name for name, value in values.items() if value in said or base64.b64decode(value).decode() in said]


def test_commands_for_cloudnative_pg_keep_passwords_out_of_argv(cluster: Path) -> None:
    """They run as the page has them, in a cluster without a namespace."""
    page = (HERE / "components" / "cloudnative-pg" / "README.md").read_text()
    block = "\n".join(line.removeprefix("    ") for line in page.splitlines() if line.startswith("    "))
    env = {"PATH": f"{cluster}:{os.environ['PATH']}", "KEPT": str(cluster)}
    done = subprocess.run(
        ["bash", "-euc", block], cwd=HERE.parent, env=env, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    secrets = list(yaml.safe_load_all((cluster / "others").read_text()))
    assert list(Schemas().violations(Manifests(secrets))) == []
    users = {one["metadata"]["name"]: one["stringData"] for one in secrets}
    made = yaml.safe_load((cluster / "secret").read_text())["data"]
    for name, secret in (("DATABASE_URL", "hubbub-database-app"), ("MIGRATE_DATABASE_URL", "hubbub-database-owner")):
        url = urlsplit(base64.b64decode(made[name]).decode())
        assert (url.username, url.password) == (users[secret]["username"], users[secret]["password"])
        assert users[secret]["password"] not in (cluster / "calls").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HERE.parent)))
def test_page_gives_no_secret_as_an_argument(page: Path) -> None:
    assert "--from-literal" not in page.read_text()


def test_an_existing_secret_is_kept(cluster: Path) -> None:
    assert run("hubbub", path=cluster).returncode == 0
    before = (cluster / "secret").read_text()
    done = run("hubbub", path=cluster)
    assert (done.returncode, (cluster / "secret").read_text()) == (1, before)
    assert "has a Secret hubbub-secrets already" in done.stderr
