"""Wrong settings are refused, or warned about, by their name and with the reason."""

import os
import warnings
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment
from core.redis_urls import client_for, shards_from_urls
from tests.support.server import ROOT, base_environment, manage

pytestmark = pytest.mark.once


@pytest.mark.parametrize("value", ["-1", "1.5", "many", "1e3", "٣", "0x10", "1 2"])
def test_non_integer_is_refused_by_name(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"LIMIT_MESSAGES_PER_S is .*whole number"):
        Environment({"LIMIT_MESSAGES_PER_S": value}).integer("LIMIT_MESSAGES_PER_S")


def test_number_below_its_minimum_is_refused_by_name() -> None:
    with pytest.raises(ImproperlyConfigured, match="DRAIN_SECONDS"):
        Environment({"DRAIN_SECONDS": "0"}).integer("DRAIN_SECONDS")
    assert Environment({"LIMIT_MESSAGES_PER_S": "0"}).integer("LIMIT_MESSAGES_PER_S") == 0


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "65536"), ("HTTP_PORT", "70000"), ("DRAIN_SECONDS", "3601"), ("NGINX_WORKER_CONNECTIONS", "1")]
)
def test_number_beyond_its_range_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"^{name} is {value}: use a whole number from \d+ to \d+$"):
        Environment({name: value}).check()


@pytest.mark.parametrize("name", ["PORT", "SIGNUP_OPEN", "LOG_LEVEL", "PUBLIC_URL", "DATA_DIR", "HTTP_BIND", "TRUSTED_PROXIES"])
@pytest.mark.parametrize("quote", ["'", '"'])
def test_value_in_quotes_is_refused_by_name(name: str, quote: str) -> None:
    """Docker's --env-file passes quotes on as part of the value."""
    with pytest.raises(ImproperlyConfigured, match=f"^{name} is in quotes: leave them out$"):
        Environment({name: f"{quote}8000{quote}"}).check()


def test_app_also_checks_settings_of_scripts() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^WEB_CONCURRENCY is 'many'"):
        Environment({"WEB_CONCURRENCY": "many"}).check()


@pytest.mark.parametrize("host", ["[::1]:80", "http://127.0.0.1", "127.0.0.1:80", "a b", "/run/x", "[127.0.0.1"])
def test_host_with_extra_parts_is_refused_by_name(host: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^HOST is .*without a port$"):
        Environment({"HOST": host}).check()


@pytest.mark.parametrize("wrong", ["10.0.0.0/33", "10.0.0", "proxy.example", "*"])
def test_proxy_that_is_no_address_is_refused_by_name(wrong: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^TRUSTED_PROXIES holds '.+': use addresses and networks such as "):
        Environment({"TRUSTED_PROXIES": f"10.0.0.1/8, {wrong}"}).check()
    Environment({"TRUSTED_PROXIES": "10.0.0.1/8, ::1, 2001:db8::/32"}).check()


def test_relative_path_lies_below_the_checkout() -> None:
    env = Environment({"DATA_DIR": "data", "STATIC_ROOT": "/srv/static"})
    assert env.path("DATA_DIR", Path("/checkout")) == Path("/checkout/data")
    assert env.path("STATIC_ROOT", Path("/checkout")) == Path("/srv/static")
    assert env.path("RUNTIME_DIR", Path("/checkout")) is None


def test_binary_secret_file_is_refused_unshown(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xffs3cret")
    with pytest.raises(ImproperlyConfigured) as refused:
        Environment({"SECRET_KEY_FILE": str(tmp_path / "key")}).text("SECRET_KEY")
    assert "SECRET_KEY_FILE cannot be read" in str(refused.value)
    assert refused.value.__suppress_context__
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("name", ["SECRET_KEY", "PUBLIC_URL"])
def test_value_that_is_not_utf8_is_refused_unshown(name: str) -> None:
    """Python reads it as halves of characters, which nothing else accepts."""
    with pytest.raises(ImproperlyConfigured, match=f"{name} is not UTF-8") as refused:
        Environment({name: os.fsdecode(b"s3cret\xff")}).text(name)
    assert "s3cret" not in str(refused.value)


FLAGS = {"1": True, "TRUE": True, "yes": True, "on": True, "0": False, "False": False, "no": False, "off": False}


@pytest.mark.parametrize(("value", "flag"), FLAGS.items())
def test_flag_values_are_parsed(value: str, flag: bool) -> None:
    assert Environment({"SIGNUP_OPEN": value}).flag("SIGNUP_OPEN") is flag


def test_bad_flag_is_refused_by_name() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"SIGNUP_OPEN is 'maybe': use true or false"):
        Environment({"SIGNUP_OPEN": "maybe"}).flag("SIGNUP_OPEN")


@pytest.mark.parametrize("value", ["", "  "])
def test_empty_value_counts_as_unset(value: str) -> None:
    env = Environment({"SIGNUP_OPEN": value, "PORT": value, "PUBLIC_URL": value})
    assert (env.flag("SIGNUP_OPEN"), env.integer("PORT"), env.text("PUBLIC_URL")) == (True, 8000, None)


def test_choice_is_checked() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"LOG_LEVEL is 'loud': use one of debug, info, warning, error"):
        Environment({"LOG_LEVEL": "loud"}).text("LOG_LEVEL")


def test_list_is_split_at_commas() -> None:
    env = Environment({"ALLOWED_ORIGINS": " https://a.example , ,https://b.example,"})
    assert env.items("ALLOWED_ORIGINS") == env.origins("ALLOWED_ORIGINS") == ["https://a.example", "https://b.example"]
    assert Environment({}).items("ALLOWED_ORIGINS") == []


def test_secret_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("s3cret\n")
    assert Environment({"SECRET_KEY_FILE": str(file)}).text("SECRET_KEY") == "s3cret"
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY and SECRET_KEY_FILE are both set"):
        Environment({"SECRET_KEY_FILE": str(file), "SECRET_KEY": "x"}).text("SECRET_KEY")
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FILE cannot be read"):
        Environment({"SECRET_KEY_FILE": str(tmp_path / "none")}).text("SECRET_KEY")


def test_byte_order_mark_is_no_part_of_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes("s3cret-ß\r\n".encode("utf-8-sig"))
    assert Environment({"SECRET_KEY_FILE": str(file)}).text("SECRET_KEY") == "s3cret-ß"
    file.write_bytes("s3cret".encode("utf-16"))
    with pytest.raises(ImproperlyConfigured, match="it is not UTF-8"):
        Environment({"SECRET_KEY_FILE": str(file)}).text("SECRET_KEY")


def test_mounted_secret_is_read_unless_another_is_given(tmp_path: Path) -> None:
    (tmp_path / "SECRET_KEY").write_text("mounted\n")
    (tmp_path / "PUBLIC_URL").write_text("http://no.secret.example")
    (tmp_path / "other").write_text("of a file")
    mounted = str(tmp_path)
    assert Environment({}, mounted).text("SECRET_KEY") == "mounted"
    assert Environment({"SECRET_KEY": ""}, mounted).text("SECRET_KEY") is None, "an override takes it away"
    assert Environment({"SECRET_KEY": "given"}, mounted).text("SECRET_KEY") == "given"
    assert Environment({"SECRET_KEY_FILE": f"{mounted}/other"}, mounted).text("SECRET_KEY") == "of a file"
    assert Environment({}, mounted).text("REDIS_URL") is None
    assert Environment({}, mounted).text("PUBLIC_URL") is None
    (tmp_path / "REDIS_URL").touch()
    assert Environment({}, mounted).text("REDIS_URL") is None, "an empty one is unset"


def test_unusable_mounted_secret_is_refused_without_its_value(tmp_path: Path) -> None:
    (tmp_path / "SECRET_KEY").write_bytes(b"s3cret\xff")
    (tmp_path / "REDIS_URL").mkdir()
    for name, reason in (("SECRET_KEY", "it is not UTF-8"), ("REDIS_URL", "Is a directory")):
        with pytest.raises(ImproperlyConfigured) as refused:
            Environment({}, str(tmp_path)).text(name)
        assert str(refused.value) == f"{name} cannot be read: {tmp_path}/{name}: {reason}"


@pytest.mark.parametrize(
    ("typo", "name"), [("PUBLIC_URI", "PUBLIC_URL"), ("REDIS_URLS", "REDIS_URL"), ("SIGN_UP_OPEN", "SIGNUP_OPEN")]
)
def test_misspelt_name_is_warned_about_with_the_right_one(typo: str, name: str) -> None:
    with pytest.warns(UserWarning, match=rf"{typo} is not a setting of Hubbub; did you mean {name}\?"):
        Environment({typo: "x"})


def test_variables_of_other_programs_are_ignored() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Environment(
            {"HOME": "/", "PATH": "/bin", "LANG": "C", "PYTHONPATH": "app", "http_proxy": "x", "PGHOST": "x", "HOSTNAME": "x"}
        )


def test_server_does_not_start_with_a_wrong_setting(tmp_path: Path) -> None:
    env = base_environment() | {"DATA_DIR": str(tmp_path), "LIMIT_MESSAGES_PER_S": "lots"}
    with pytest.raises(RuntimeError, match="LIMIT_MESSAGES_PER_S is 'lots'"):
        manage("check", env=env)


def test_postgres_needs_a_secret_key(tmp_path: Path) -> None:
    env = base_environment() | {"DATA_DIR": str(tmp_path), "DATABASE_URL": "postgres://a:b@127.0.0.1:1/c"}
    with pytest.raises(RuntimeError, match="SECRET_KEY"):
        manage("check", env=env)


def test_embedded_run_keeps_its_generated_key(tmp_path: Path) -> None:
    env = base_environment() | {"DATA_DIR": str(tmp_path)}
    manage("check", env=env)
    made = (tmp_path / "secret_key").read_text()
    manage("check", env=env)
    assert (tmp_path / "secret_key").read_text() == made
    assert len(made) >= 50
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0
    assert ROOT not in tmp_path.parents


# --- REDIS_URL


def test_shard_urls_are_parsed() -> None:
    shards = shards_from_urls(["redis://:pw@a.example:6379/0", "rediss://b.example", "unix:///run/redis.sock"])
    assert [shard["address"] for shard in shards] == [
        "redis://:pw@a.example:6379/0",
        "rediss://b.example",
        "unix:///run/redis.sock",
    ]
    assert shards_from_urls([]) == []


def test_sentinels_of_one_master_are_one_shard() -> None:
    shards = shards_from_urls(
        ["sentinel://:p%40w@s1.example/mymaster", "sentinel://:p%40w@s2.example:26380/mymaster", "sentinel://s3/other"]
    )
    assert [(shard["master_name"], shard["sentinels"]) for shard in shards] == [
        ("mymaster", [("s1.example", 26379), ("s2.example", 26380)]),
        ("other", [("s3", 26379)]),
    ]
    assert shards[0]["password"] == "p@w"


@pytest.mark.parametrize("url", ["http://a", "a.example:6379", "sentinel://a", "sentinel:///name"])
def test_bad_redis_urls_are_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL"):
        shards_from_urls([url])


def test_every_redis_call_has_a_time_limit() -> None:
    for shard in shards_from_urls(["redis://a.example", "sentinel://s1.example/mymaster"]):
        options = client_for(shard).connection_pool.connection_kwargs
        assert 0 < options["socket_timeout"] <= 5
        assert 0 < options["socket_connect_timeout"] <= 5
