"""REDIS_URL → shards: `hosts` of channels-redis, and clients for all other uses.

Only this module opens a Redis.

    redis://[user:password@]host[:port][/database]          rediss:// is the same with TLS
    unix://[user:password@]/path/of/socket[?db=database]
    sentinel://[user:password@]host[:port]/master[/database]

Each address is a shard, but sentinel addresses with the same master are the sentinels of one shard. The query's names are
those of redis-py; OPTIONS lists the accepted ones.
"""

from __future__ import annotations

from typing import Any

from core.addresses import Address, parse_address, refuse
from core.lazy_module import without

# Where OpenTelemetry is installed, redis-py loads its metrics, which are unused here: 6 MiB and 0.1 s of each process.
with without("opentelemetry.sdk.metrics"):
    import redis
    import redis.sentinel
    from redis.asyncio import Redis
    from redis.asyncio.sentinel import Sentinel

# A dead Redis may cost a bounded wait, never a blocked worker.
CONNECT_S = 2
ANSWER_S = 2
# Timeout of a client used in a thread.
BLOCKING_S = 1
SENTINEL_PORT = 26379
TLS_OPTIONS = {"ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"}
OPTIONS = {"redis": {"db"}, "rediss": {"db"} | TLS_OPTIONS, "unix": {"db"}, "sentinel": {"db"}}
FORM = {
    "redis": "redis://[user:password@]host[:port][/database], with a whole number as database",
    "rediss": "rediss://[user:password@]host[:port][/database], with a whole number as database",
    "unix": "unix://[user:password@]/path[?db=database], with an absolute path",
    "sentinel": "sentinel://[user:password@]host[:port]/master[/database]",
}
FORMS = (
    "redis://[user:password@]host[:port][/database], rediss:// likewise, unix://[user:password@]/path[?db=database] or"
    " sentinel://[user:password@]host[:port]/master[/database]"
)


def shards_from_urls(urls: list[str]) -> list[dict[str, Any]]:
    """Return a `hosts` entry of channels-redis per shard.

    Raises ImproperlyConfigured, which never shows an address.
    """
    shards: list[dict[str, Any]] = []
    masters: dict[str, dict[str, Any]] = {}
    for number, url in enumerate(urls, 1):
        name = "REDIS_URL" if len(urls) == 1 else f"REDIS_URL (address {number} of {len(urls)})"
        address = _checked(name, url)
        if address.scheme != "sentinel":
            shards.append({"address": address.scheme + url[len(address.scheme) :], **_connect(address.scheme)})
            continue
        master, database = _master(address)
        shard = {"master_name": master, "db": database, **_credentials(address), **_connect(address.scheme)}
        if master not in masters:
            masters[master] = shard | {
                "sentinels": [],
                "sentinel_kwargs": {"socket_timeout": ANSWER_S, **_connect(address.scheme)},
            }
            shards.append(masters[master])
        elif any(masters[master].get(key) != value for key, value in shard.items()):
            refuse(
                "REDIS_URL", f"has sentinels of {master!r} that differ", "the same user, password and database for all of them"
            )
        ((host, port),) = address.hosts
        masters[master]["sentinels"].append((host, port or SENTINEL_PORT))
    return shards


def client_for(shard: dict[str, Any]) -> Redis:
    """Return a client of one shard; each call ends within ANSWER_S seconds."""
    options = _options(shard) | {"socket_timeout": ANSWER_S, "decode_responses": True}
    if "sentinels" in shard:
        sentinel = Sentinel(shard["sentinels"], sentinel_kwargs=shard["sentinel_kwargs"], **options)
        return sentinel.master_for(shard["master_name"])
    return Redis.from_url(shard["address"], **options)


def blocking_client_for(shard: dict[str, Any]) -> redis.Redis:
    """Return a client for threads; each call ends within BLOCKING_S seconds."""
    options = _options(shard) | {"socket_timeout": BLOCKING_S, "socket_connect_timeout": BLOCKING_S}
    if "sentinels" in shard:
        asked = shard["sentinel_kwargs"] | {"socket_timeout": BLOCKING_S, "socket_connect_timeout": BLOCKING_S}
        sentinel = redis.sentinel.Sentinel(shard["sentinels"], sentinel_kwargs=asked, **options)
        client: redis.Redis = sentinel.master_for(shard["master_name"])
        return client
    return redis.Redis.from_url(shard["address"], **options)


def anonymous_client_for(shard: dict[str, Any]) -> redis.Redis:
    """Return a client for threads that gives neither user nor password."""
    client = blocking_client_for(shard)
    for name in ("username", "password"):
        client.connection_pool.connection_kwargs.pop(name, None)
    return client


def _options(shard: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in shard.items() if key not in {"address", "sentinels", "sentinel_kwargs", "master_name"}}


def _connect(scheme: str) -> dict[str, Any]:
    """Return redis-py's options for the scheme: a Unix socket has no keep-alive."""
    return {"socket_connect_timeout": CONNECT_S} | ({} if scheme == "unix" else {"socket_keepalive": True})


def _credentials(address: Address) -> dict[str, str]:
    found = {"username": address.user, "password": address.password}
    return {name: value for name, value in found.items() if value}


def _master(address: Address) -> tuple[str, int]:
    name, _, database = address.path.strip("/").partition("/")
    return name, int(database or address.query.get("db", "0"))


def _checked(name: str, url: str) -> Address:
    """Parse one address.

    Raises ImproperlyConfigured, naming the setting and the right form.
    """
    address = parse_address(name, url, FORMS)
    if address.scheme not in OPTIONS:
        refuse(name, "starts with no scheme of Redis", FORMS)
    form = FORM[address.scheme]
    if address.scheme == "unix":
        fits = not address.hosts and bool(address.path)
    else:
        fits = len(address.hosts) == 1 and not address.hosts[0][0].startswith("/") and _fits(address.scheme, address.path)
    if not fits:
        refuse(name, "has another form", form)
    known = OPTIONS[address.scheme]
    if set(address.query) - known:
        refuse(name, "has an unknown parameter behind its ?", f"{', '.join(sorted(known))} there, and nothing else")
    if not _is_database(address.query.get("db", "0")):
        refuse(name, "has a db= that is no whole number", form)
    return address


def _fits(scheme: str, path: str) -> bool:
    words = path.strip("/").split("/")
    if scheme == "sentinel":
        return bool(words[0]) and len(words) <= 2 and all(map(_is_database, words[1:]))
    return words == [""] or (len(words) == 1 and _is_database(words[0]))


def _is_database(word: str) -> bool:
    return word.isascii() and word.isdigit()
