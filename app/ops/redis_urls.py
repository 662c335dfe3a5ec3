"""REDIS_URL → shards: what channels-redis calls hosts, and a client for the rest.

`redis://`, `rediss://` and `unix://` addresses are a shard each. `sentinel://[:password@]host[:port]/master` addresses
that name the same master are the sentinels of one shard.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel

# A dead Redis must cost a bounded wait, never a hung worker.
CONNECT = {"socket_connect_timeout": 2, "socket_keepalive": True}
ANSWER_S = 2


def shards_from_urls(urls: list[str]) -> list[dict[str, Any]]:
    """One `hosts` entry of channels-redis per shard. Raises ImproperlyConfigured for another scheme."""
    shards: list[dict[str, Any]] = []
    masters: dict[str, dict[str, Any]] = {}
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme in {"redis", "rediss", "unix"}:
            shards.append({"address": url, **CONNECT})
        elif parts.scheme == "sentinel" and parts.hostname and parts.path.strip("/"):
            name = parts.path.strip("/")
            if name not in masters:
                password = {"password": unquote(parts.password)} if parts.password else {}
                masters[name] = {"sentinels": [], "master_name": name, **password, **CONNECT}
                shards.append(masters[name])
            masters[name]["sentinels"].append((parts.hostname, parts.port or 26379))
        else:
            raise ImproperlyConfigured("REDIS_URL must be redis://, rediss://, unix:// or sentinel://host:port/master")
    return shards


def client_for(shard: dict[str, Any]) -> Redis:
    """A client of one shard whose every call ends within ANSWER_S seconds."""
    options = {key: value for key, value in shard.items() if key not in {"address", "sentinels", "master_name"}}
    options |= {"socket_timeout": ANSWER_S, "decode_responses": True}
    if "sentinels" in shard:
        sentinel = Sentinel(shard["sentinels"], sentinel_kwargs={"socket_timeout": ANSWER_S}, **options)
        return sentinel.master_for(shard["master_name"])
    return Redis.from_url(shard["address"], **options)
