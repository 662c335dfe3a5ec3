"""REDIS_URL → shards: what channels-redis calls hosts, and clients for everything else. Nothing else opens a Redis.

    redis://[user:password@]host[:port][/database]          rediss:// is the same with TLS
    unix://[user:password@]/path/of/socket[?db=database]
    sentinel://[user:password@]host[:port]/master[/database]

Each address is a shard, but sentinel addresses with the same master are the sentinels of one shard. The words of a URL's
query are redis-py's; those in OPTIONS are known.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import redis
import redis.sentinel
from django.core.exceptions import ImproperlyConfigured
from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel

# A dead Redis must cost a bounded wait, never a hung worker.
CONNECT_S = 2
ANSWER_S = 2
BLOCKING_S = 1
"""Of a client that a thread waits for."""
PORTS = {"redis": 6379, "rediss": 6379, "sentinel": 26379}
TLS_OPTIONS = {"ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"}
OPTIONS = {"redis": {"db"}, "rediss": {"db"} | TLS_OPTIONS, "unix": {"db"}, "sentinel": {"db"}}
FORMS = (
    "redis://[user:password@]host[:port][/database], rediss:// likewise, unix://[user:password@]/path[?db=database] or"
    " sentinel://[user:password@]host[:port]/master[/database]"
)


def shards_from_urls(urls: list[str]) -> list[dict[str, Any]]:
    """One `hosts` entry of channels-redis per shard. Raises ImproperlyConfigured, which never shows an address."""
    shards: list[dict[str, Any]] = []
    masters: dict[str, dict[str, Any]] = {}
    for number, url in enumerate(urls, 1):
        parts = _checked(url, "REDIS_URL" if len(urls) == 1 else f"REDIS_URL (address {number} of {len(urls)})")
        if parts.scheme != "sentinel":
            shards.append({"address": url, **_connect(parts.scheme)})
            continue
        name, database = _master(parts)
        shard = {"master_name": name, "db": database, **_credentials(parts), **_connect(parts.scheme)}
        if name not in masters:
            masters[name] = shard | {"sentinels": [], "sentinel_kwargs": {"socket_timeout": ANSWER_S, **_connect(parts.scheme)}}
            shards.append(masters[name])
        elif any(masters[name].get(key) != value for key, value in shard.items()):
            raise ImproperlyConfigured(f"REDIS_URL: the sentinels of {name!r} must agree in user, password and database")
        masters[name]["sentinels"].append((parts.hostname, parts.port or PORTS["sentinel"]))
    return shards


def client_for(shard: dict[str, Any]) -> Redis:
    """A client of one shard whose every call ends within ANSWER_S seconds."""
    options = _options(shard) | {"socket_timeout": ANSWER_S, "decode_responses": True}
    if "sentinels" in shard:
        sentinel = Sentinel(shard["sentinels"], sentinel_kwargs=shard["sentinel_kwargs"], **options)
        return sentinel.master_for(shard["master_name"])
    return Redis.from_url(shard["address"], **options)


def blocking_client_for(shard: dict[str, Any]) -> redis.Redis:
    """The same for threads; every call ends within BLOCKING_S seconds."""
    options = _options(shard) | {"socket_timeout": BLOCKING_S, "socket_connect_timeout": BLOCKING_S}
    if "sentinels" in shard:
        asked = shard["sentinel_kwargs"] | {"socket_timeout": BLOCKING_S, "socket_connect_timeout": BLOCKING_S}
        sentinel = redis.sentinel.Sentinel(shard["sentinels"], sentinel_kwargs=asked, **options)
        client: redis.Redis = sentinel.master_for(shard["master_name"])
        return client
    return redis.Redis.from_url(shard["address"], **options)


def _options(shard: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in shard.items() if key not in {"address", "sentinels", "sentinel_kwargs", "master_name"}}


def _connect(scheme: str) -> dict[str, Any]:
    """What redis-py takes of such a connection: a Unix socket has no keep-alive."""
    return {"socket_connect_timeout": CONNECT_S} | ({} if scheme == "unix" else {"socket_keepalive": True})


def _credentials(parts: SplitResult) -> dict[str, str]:
    found = {"username": parts.username, "password": parts.password}
    return {name: unquote(value) for name, value in found.items() if value}


def _master(parts: SplitResult) -> tuple[str, int]:
    name, _, database = parts.path.strip("/").partition("/")
    return unquote(name), int(database or parse_qs(parts.query).get("db", ["0"])[0])


def _checked(url: str, where: str) -> SplitResult:
    """The parts of one address. Whoever reads the error knows the setting and the right form, and no password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{where}: its port is no number from 1 to 65535; write / ? # @ : in a password as %2F %3F %23 %40 %3A"
        ) from error
    if parts.scheme not in OPTIONS:
        raise ImproperlyConfigured(f"{where}: use {FORMS}")
    if parts.fragment or port == 0:
        raise ImproperlyConfigured(f"{where}: write / ? # @ : in a password as %2F %3F %23 %40 %3A")
    if parts.scheme == "unix":
        fits = not parts.hostname and len(parts.path) > 1
    elif parts.scheme == "sentinel":
        name, *rest = parts.path.strip("/").split("/")
        fits = bool(parts.hostname and name) and all(_is_database(word) for word in rest) and len(rest) < 2
    else:
        database = parts.path.strip("/")
        fits = bool(parts.hostname) and (not database or _is_database(database))
    if not fits:
        raise ImproperlyConfigured(f"{where}: {parts.scheme}:// needs the form {_form_of(parts.scheme)}")
    _check_options(parts, where)
    return parts


def _check_options(parts: SplitResult, where: str) -> None:
    known = OPTIONS[parts.scheme]
    try:
        options = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise ImproperlyConfigured(f"{where}: what follows its ? must be name=value") from error
    unknown = sorted(set(options) - known)
    if unknown:
        raise ImproperlyConfigured(f"{where}: {parts.scheme}:// takes {', '.join(sorted(known))} after its ?, nothing else")
    if not all(_is_database(value) for value in options.get("db", [])):
        raise ImproperlyConfigured(f"{where}: db= takes a whole number")


def _is_database(word: str) -> bool:
    return word.isascii() and word.isdigit()


def _form_of(scheme: str) -> str:
    if scheme == "unix":
        return "unix://[user:password@]/path[?db=database], with an absolute path"
    if scheme == "sentinel":
        return "sentinel://[user:password@]host[:port]/master[/database]"
    return f"{scheme}://[user:password@]host[:port][/database], with a whole number as database"
