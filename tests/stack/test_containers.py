"""The containers have few privileges and bounded resources."""

from typing import Any

import pytest

from tests.stack.stack import SERVICES, Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

# Prints the number of modules that a worker loads from files, and of those it had to compile.
LACKING = """
import os, sys, gunicorn.app.wsgiapp, server.worker, config.asgi
cached = {name: module.__cached__ for name, module in sys.modules.items() if getattr(module, "__cached__", None)}
print(len(cached), *[name for name, path in cached.items() if not os.path.exists(path)])
"""
RUNNING = tuple(service for service in SERVICES if service != "migrate")


@pytest.mark.parametrize("service", SERVICES)
def test_each_container_is_confined(stack: Stack, service: str) -> None:
    containers = stack.containers(service)
    assert len(containers) == (2 if service == "web" else 1)
    for container in containers:
        host: dict[str, Any] = container["HostConfig"]
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["Privileged"] is False
        assert host["Memory"] > 0
        assert host["NanoCpus"] > 0
        assert host["PidsLimit"] > 0
        assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "5"}}
        assert host["RestartPolicy"]["Name"] == ("no" if service == "migrate" else "unless-stopped")
        assert int(container["Config"]["User"].split(":")[0]) > 0


@pytest.mark.parametrize("service", RUNNING)
def test_no_container_is_root_or_writes_outside_its_volumes(stack: Stack, service: str) -> None:
    assert stack.exec(service, "id", "-u").stdout.strip() not in {"", "0"}
    for place in ("/", "/etc", "/usr/local/bin", "/srv", "/var"):
        answer = stack.exec(service, "touch", f"{place.rstrip('/')}/written")
        assert answer.returncode != 0
        assert "Read-only file system" in answer.stderr or "Permission denied" in answer.stderr
    assert stack.exec(service, "touch", "/tmp/written").returncode == 0


def test_the_application_cannot_change_itself(stack: Stack) -> None:
    for place in ("/srv/hubbub/app/manage.py", "/srv/hubbub/.venv/bin/python", "/srv/hubbub/static/manifest.json"):
        answer = stack.exec("web", "sh", "-c", f"echo >> {place}")
        assert answer.returncode != 0, place


def test_the_image_has_no_compiler_and_no_installer(stack: Stack) -> None:
    found = stack.exec("web", "sh", "-c", "command -v gcc cc make npm node git; ls .venv/bin").stdout.split()
    assert not {"pip", "pip3"} & set(found)
    assert not [path for path in found if path.startswith("/")]
    assert "gunicorn" in found
    assert stack.exec("web", "sh", "-c", "ls frontend requirements 2>/dev/null").stdout == ""


@pytest.mark.parametrize("service", ["nginx", "web"])
def test_no_image_carries_secrets_or_leftovers(stack: Stack, service: str) -> None:
    look = "find / -xdev ( -name .env* -o -name .git -o -name node_modules -o -name *.sqlite3 -o -name *.key ) -not -path /proc/*"
    found = stack.exec(service, *look.split()).stdout.split()
    assert not [path for path in found if "/site-packages/" not in path]


def test_bytecode_is_compiled_in_the_image(stack: Stack) -> None:
    assert "settings.cpython-313.pyc" in stack.exec("web", "ls", "app/config/__pycache__").stdout
    started = stack.exec("web", "python", "-c", LACKING)
    assert started.returncode == 0, started.stderr
    loaded, *lacking = started.stdout.split()
    assert int(loaded) > 500
    assert lacking == []


@pytest.mark.parametrize("service", ["nginx", "web"])
def test_images_have_labels(stack: Stack, service: str) -> None:
    labels = stack.containers(service)[0]["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == f"hubbub-{service}"
    assert labels["org.opencontainers.image.version"] == stack.project
    assert {"org.opencontainers.image.source", "org.opencontainers.image.revision"} <= set(labels)


def test_every_service_has_a_health_check(stack: Stack) -> None:
    waited = stack.compose("up", "--detach", "--no-build", "--wait")
    assert waited.returncode == 0, waited.stderr
    for service in RUNNING:
        assert {container["State"]["Health"]["Status"] for container in stack.containers(service)} == {"healthy"}, service


def test_migrate_succeeds_and_is_not_restarted(stack: Stack) -> None:
    (migrate,) = stack.containers("migrate")
    assert (migrate["State"]["Status"], migrate["State"]["ExitCode"], migrate["RestartCount"]) == ("exited", 0, 0)


def test_only_nginx_publishes_and_only_on_loopback(stack: Stack) -> None:
    for service in SERVICES:
        published = {
            inside: outside
            for container in stack.containers(service)
            for inside, outside in container["NetworkSettings"]["Ports"].items()
            if outside
        }
        expected = {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(stack.port)}]} if service == "nginx" else {}
        assert published == expected, service


def test_a_web_container_runs_as_many_workers_as_it_has_cpus(stack: Stack) -> None:
    facts = stack.exec("web", "scripts/run_gunicorn.sh", "--print").stdout
    assert "CPU quota: 1.000 cores\n" in facts
    assert "workers: 1\n" in facts
    more = stack.exec("web", "env", "WEB_CONCURRENCY=2", "scripts/run_gunicorn.sh", "--print")
    assert "workers: 2\n" in more.stdout, more.stderr


@pytest.mark.parametrize(
    ("service", "setting", "message"),
    [
        ("migrate", "SECRET_KEY=", "SECRET_KEY (or SECRET_KEY_FILE) is required with Postgres"),
        ("migrate", "SECRET_KEY_FILE=/nowhere", "SECRET_KEY_FILE cannot be read: /nowhere: No such file"),
        ("migrate", "LIMIT_MESSAGES_PER_S=many", "LIMIT_MESSAGES_PER_S is 'many': use a whole number"),
        ("migrate", "ALLOWED_HOSTS=chat.example", "ALLOWED_HOSTS is now PUBLIC_URL"),
        ("web", "WEB_CONCURRENCY=none", "WEB_CONCURRENCY must be a positive integer"),
        ("nginx", "LIMIT_HANDSHAKES_PER_S=many", "LIMIT_HANDSHAKES_PER_S must be a whole number"),
        ("nginx", "TRUSTED_PROXIES=balancer", "TRUSTED_PROXIES must list addresses or networks"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(stack: Stack, service: str, setting: str, message: str) -> None:
    answer = stack.compose("run", "--rm", "--no-deps", "-T", "--env", setting, service, timeout=60)
    assert answer.returncode != 0
    assert message in answer.stdout + answer.stderr
