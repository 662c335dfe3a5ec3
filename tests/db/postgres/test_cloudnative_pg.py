"""The statements of the CloudNativePG Cluster, in the order of a bootstrap."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import yaml

from tests.support.server import ROOT
from tests.support.services import Postgres

CLUSTER = ROOT / "k8s" / "components" / "cloudnative-pg" / "cluster.yaml"
PASSWORD = "of-this-test"


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A cluster as initdb of the operator leaves it: no role is named `hubbub`."""
    with Postgres() as running:
        run(running.url(), f"CREATE ROLE admin SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        run(of("admin", running, "postgres"), "ALTER ROLE hubbub RENAME TO another")
        run(of("admin", running, "postgres"), f"CREATE ROLE hubbub_owner LOGIN PASSWORD '{PASSWORD}'")
        run(of("admin", running, "postgres"), "CREATE DATABASE hubbub OWNER hubbub_owner")
        yield running


def of(role: str, postgres: Postgres, database: str = "hubbub") -> str:
    return f"postgres://{role}:{PASSWORD}@127.0.0.1:{postgres.port}/{database}"


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_bootstrap_needs_the_owner_alone(postgres: Postgres) -> None:
    """The operator makes managed roles after the bootstrap.

    It takes over a role that is there.
    """
    cluster: dict[str, Any] = next(one for one in yaml.safe_load_all(CLUSTER.read_text()) if one["kind"] == "Cluster")
    statements = cluster["spec"]["bootstrap"]["initdb"]["postInitApplicationSQL"]
    run(of("admin", postgres), *statements)
    with psycopg.connect(of("admin", postgres), autocommit=True) as connection:
        found = connection.execute("SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = 'hubbub'").fetchone()
    assert found == (False, None), "only the operator gives it a password"
    (managed,) = cluster["spec"]["managed"]["roles"]
    assert (managed["name"], managed["ensure"], managed["login"]) == ("hubbub", "present", True)
    run(of("admin", postgres), f"ALTER ROLE hubbub LOGIN PASSWORD '{PASSWORD}'")
    run(of("hubbub_owner", postgres), "CREATE TABLE words (id bigserial PRIMARY KEY, word text)")
    run(of("hubbub", postgres), "INSERT INTO words (word) VALUES ('hello')", "UPDATE words SET word = 'hi'", "DELETE FROM words")
    # A bootstrap that is tried again, or a role of before, stops nothing.
    run(of("admin", postgres), *statements)
