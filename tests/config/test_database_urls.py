"""DATABASE_URL: the meaning of each documented form.

Other forms are refused by name.
"""

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.databases import database_from_url, replica_from_url
from config.variables import VARIABLES
from db.connections import LOG_CONNECTIONS, LOOKUP_CONNECTIONS


def database(url: str | None, data_dir: Path = Path("/data")) -> dict[str, Any]:
    return database_from_url(url, data_dir=data_dir, pool_size=8)


def test_sqlite_url_is_parsed() -> None:
    assert database(None)["NAME"] == Path("/data/hubbub.sqlite3")
    settings = database("sqlite:////var/lib/my%20chat.sqlite3")
    assert settings["NAME"] == Path("/var/lib/my chat.sqlite3")
    assert settings["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in settings["OPTIONS"]["init_command"].replace(" ", "")


@pytest.mark.parametrize(("url", "file"), [("sqlite:///chat.db", "chat.db"), ("sqlite:///a/b.db", "a/b.db")])
def test_relative_sqlite_file_lies_in_the_data_directory(url: str, file: str) -> None:
    assert database(url)["NAME"] == Path("/data") / file


def test_absolute_path_of_an_earlier_release_is_kept(tmp_path: Path) -> None:
    """Three slashes once meant an absolute path.

    A new, empty database must not take its place.
    """
    old, data = tmp_path / "chat.db", tmp_path / "data"
    old.touch()
    with pytest.raises(ImproperlyConfigured, match=rf"^DATABASE_URL .* use sqlite:///{old} for that one$"):
        database(f"sqlite://{old}", data)
    relative = data / str(old).lstrip("/")
    relative.parent.mkdir(parents=True)
    relative.touch()
    assert database(f"sqlite://{old}", data)["NAME"] == relative
    assert database(f"sqlite:///{old}", data)["NAME"] == old


def test_postgres_url_is_parsed() -> None:
    settings = database("postgresql://us%40er:p%2Fw@db.example:6432/cha%20t?sslmode=require&application_name=chat")
    known = {name: settings[name] for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")}
    assert known == {"USER": "us@er", "PASSWORD": "p/w", "HOST": "db.example", "PORT": "6432", "NAME": "cha t"}
    assert settings["OPTIONS"]["sslmode"] == "require"
    assert settings["OPTIONS"]["application_name"] == "chat"
    assert settings["CONN_MAX_AGE"] == 0
    assert settings["OPTIONS"]["pool"]["max_size"] + LOG_CONNECTIONS + LOOKUP_CONNECTIONS == 8


def test_fallback_is_a_second_password() -> None:
    url = "postgres://u:p@db.example/chat"
    known = database_from_url(url, data_dir=Path("/data"), pool_size=8, fallback="coming")
    assert known["PASSWORDS"].in_turn() == ("p", "coming")
    assert known["OPTIONS"]["pool"]["connection_class"].__name__ == "Connection"
    replica = replica_from_url(url, primary=known, data_dir=Path("/data"), pool_size=8, fallback="coming")
    assert replica["PASSWORDS"].in_turn() == ("p", "coming")
    assert database(url)["PASSWORDS"] is None
    assert "connection_class" not in database(url)["OPTIONS"]["pool"]
    assert "PASSWORDS" not in database_from_url(None, data_dir=Path("/data"), pool_size=8, fallback="coming")


def test_several_hosts_are_tried_for_the_primary() -> None:
    settings = database("postgres://u:p@a.example,b.example:5433,[2001:db8::1]/chat")
    assert (settings["HOST"], settings["PORT"]) == ("a.example,b.example,2001:db8::1", "5432,5433,5432")
    assert settings["OPTIONS"]["target_session_attrs"] == "read-write"
    asked = database("postgres://u:p@a.example,b.example/chat?target_session_attrs=any")
    assert asked["OPTIONS"]["target_session_attrs"] == "any"
    assert "target_session_attrs" not in database("postgres://u:p@a.example/chat")["OPTIONS"]


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgres:///chat?host=/run/postgresql", "/run/postgresql", "5432"),
        ("postgres://hubbub:pw@/chat?host=/run/pg&port=5433", "/run/pg", "5433"),
        ("postgres://hubbub:pw@%2Frun%2Fpg:5433/chat", "/run/pg", "5433"),
    ],
)
def test_socket_directory_is_parsed(url: str, host: str, port: str) -> None:
    settings = database(url)
    assert (settings["HOST"], settings["PORT"], settings["NAME"]) == (host, port, "chat")
    assert not {"host", "port"} & set(settings["OPTIONS"])


def test_own_options_come_before_the_time_limits() -> None:
    options = database("postgres://u:p@h/chat?options=-c%20search_path%3Dhubbub")["OPTIONS"]["options"]
    assert options == "-c search_path=hubbub -c statement_timeout=10000 -c lock_timeout=4000"


def test_smallest_pool_leaves_two_connections_to_the_orm() -> None:
    """A request with one connection may wait for a call in a database thread."""
    (variable,) = (one for one in VARIABLES if one.name == "DATABASE_POOL_SIZE")
    url = "postgres://user:password@db.example/chat"
    options = database_from_url(url, data_dir=Path("/data"), pool_size=variable.minimum)["OPTIONS"]
    assert options["pool"]["max_size"] == 2


@pytest.mark.parametrize(
    "url",
    [
        "mysql://a/b",
        "nonsense",
        "postgres://",
        "postgres://host",
        "postgres://host/",
        "postgres://host/a/b",
        "postgres:///name",
        "postgres:///name?host=db.example",
        "postgres://host/name?host=/run/postgresql",
        "postgres://host/name?port=5432",
        "postgres:///name?host=/run/postgresql&port=x",
        "postgres://host/name?sslmode=yes",
        "postgres://host/name?sslmode=verify-full&sslrootcert=/none/ca.pem",
        "postgres://host/name?target_session_attrs=master",
        "postgres://host/name?pgbouncer=true",
        "postgres://host/name?connect_timeout=60",
        "sqlite://",
        "sqlite:///",
        "sqlite:////",
        "sqlite://chat.db",
        "sqlite:chat.db",
        "sqlite:///chat.db?mode=ro",
        "sqlite:///:memory:",
        "sqlite:///directory/",
    ],
)
def test_bad_database_urls_are_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL .*: use "):
        database(url)


def replica(url: str) -> dict[str, Any]:
    return replica_from_url(url, primary=database("postgres://ada:s3cr3t@primary/chat"), data_dir=Path("/data"), pool_size=8)


def test_replica_url_names_a_standby_of_the_same_database() -> None:
    found = replica("postgres://reader:other@a,b/chat")
    assert (found["NAME"], found["HOST"], found["OPTIONS"]["target_session_attrs"]) == ("chat", "a,b", "prefer-standby")
    assert found["OPTIONS"]["connect_timeout"] < database("postgres://ada:s3cr3t@primary/chat")["OPTIONS"]["connect_timeout"]


@pytest.mark.parametrize("url", ["postgres://ada:s3cr3t@b/other", "sqlite:///chat", "mysql://ada:s3cr3t@b/chat"])
def test_replica_url_of_another_database_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^REPLICA_URL .*: use ") as refused:
        replica(url)
    assert "s3cr3t" not in str(refused.value)
