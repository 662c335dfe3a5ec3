"""nginx reaches the servers, the servers the database, outsiders nginx."""

import pytest

from tests.stack.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def reaches(stack: Stack, service: str, host: str, port: int) -> bool:
    """Return whether a TCP connection from a service succeeds within 2 s."""
    return stack.exec(service, "timeout", "2", "bash", "-c", f"exec 3<>/dev/tcp/{host}/{port}").returncode == 0


@pytest.mark.parametrize(("service", "port"), [("postgres", 5432), ("redis", 6379)])
def test_nginx_neither_resolves_nor_reaches_the_data(stack: Stack, service: str, port: int) -> None:
    assert stack.exec("nginx", "getent", "hosts", service).returncode != 0
    (container,) = stack.containers(service)
    address = stack.address(container, "data")
    assert not reaches(stack, "nginx", address, port)
    # The opposite direction as a control, so that a wrong address cannot pass.
    assert reaches(stack, "web", address, port)
    assert reaches(stack, "web", service, port)


def test_nginx_reaches_the_servers(stack: Stack) -> None:
    assert reaches(stack, "nginx", "web", 8000)


@pytest.mark.parametrize("service", ["worker", "postgres", "redis"])
def test_data_network_has_no_way_out(stack: Stack, service: str) -> None:
    (nginx,) = stack.containers("nginx")
    outside = stack.address(nginx, "edge")
    assert not reaches(stack, service, outside, 8080)
    assert reaches(stack, "web", outside, 8080)


def test_redis_requires_its_password(stack: Stack) -> None:
    assert "NOAUTH" in stack.exec("redis", "redis-cli", "ping").stdout
    assert (
        stack.exec("redis", "sh", "-c", "REDISCLI_AUTH=$(cat /run/secrets/REDIS_PASSWORD) redis-cli ping").stdout.strip()
        == "PONG"
    )


def test_database_role_of_the_app_is_no_superuser(stack: Stack) -> None:
    roles = "select rolname from pg_roles where rolsuper"
    answer = stack.exec("postgres", "psql", "--username=hubbub", "--tuples-only", f"--command={roles}")
    assert answer.stdout.split() == ["postgres"]
    outside = ("psql", "--host=127.0.0.1", "--username=postgres", "--no-password", "--command=select 1")
    assert "no password supplied" in stack.exec("postgres", *outside).stderr


def test_postgres_requires_its_password(stack: Stack) -> None:
    command = ("psql", "--host=postgres", "--username=hubbub", "--no-password", "--command=select 1")
    assert "no password supplied" in stack.exec("postgres", *command).stderr
    rules = "select distinct auth_method from pg_hba_file_rules where type = 'host'"
    methods = stack.exec("postgres", "psql", "--username=postgres", "--tuples-only", f"--command={rules}").stdout.split()
    assert methods == ["scram-sha-256"]


def test_redis_neither_persists_nor_evicts(stack: Stack) -> None:
    def setting(name: str) -> str:
        ask = f"REDISCLI_AUTH=$(cat /run/secrets/REDIS_PASSWORD) redis-cli config get {name}"
        return stack.exec("redis", "sh", "-c", ask).stdout.partition("\n")[2].rstrip("\n")

    assert setting("save") == ""
    assert setting("appendonly") == "no"
    assert setting("maxmemory-policy") == "noeviction"
    assert int(setting("maxmemory")) == 256 * 2**20
    assert "pubsub 134217728 67108864 30" in setting("client-output-buffer-limit")
