"""Redis: password, rights, policy, memory, of each shard."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import redis
from django.conf import settings

from core.redis_faults import REASONS, RIGHTS, kind_of
from core.redis_urls import anonymous_client_for, blocking_client_for
from db.installation import shared_name
from ops.doctor.findings import Finding, Options, failure, ok, warning

OLDEST = 7
FULL_FAILS, FULL_WARNS = 0.95, 0.8
KEEP_S = 5
CHANGES = {
    "auth": "REDIS_URL (REDIS_PASSWORD)",
    "rights": f"ACL SETUSER … {RIGHTS}",
    "memory": "maxmemory, or docs/runbooks/redis-lost.md",
    "readonly": "REDIS_URL must lead to the primary, or be sentinel://…",
    "away": "REDIS_URL, or docs/runbooks/redis-lost.md",
}


def check_redis(_: Options) -> Iterator[Finding]:
    for number, shard in enumerate(settings.REDIS_SHARDS, 1):
        check = "redis" if len(settings.REDIS_SHARDS) == 1 else f"redis shard {number}"
        try:
            with blocking_client_for(shard) as client:
                yield from _shard(check, client)
            yield from _password(check, shard)
        except (redis.RedisError, OSError) as error:
            kind = kind_of(error)
            yield failure(check, REASONS[kind], CHANGES.get(kind, "REDIS_URL"))


def _shard(check: str, client: Any) -> Iterator[Finding]:
    _use(client)
    facts = _facts(client)
    if facts is None:
        yield ok(check, "rights suffice; its policy and memory may not be looked at (INFO)")
        return
    found = [*_version(check, facts), *_policy(check, facts), *_memory(check, facts)]
    yield from found or [ok(check, f"Redis {facts['redis_version']}, rights, policy and memory")]


def _password(check: str, shard: dict[str, Any]) -> Iterator[Finding]:
    """Tell of a Redis that answers without a password.

    A Unix socket has the rights of its file, and a client's certificate stands in for the password.
    """
    if settings.DEPLOYMENT == "development":
        return
    with anonymous_client_for(shard) as client:
        known = client.connection_pool.connection_kwargs
        if known.get("path") or known.get("ssl_certfile"):
            return
        try:
            client.ping()
        except (redis.RedisError, OSError):
            return
    yield warning(
        check,
        "it answers without a password: everybody who reaches its port reads and writes as the product does",
        "requirepass of Redis (REDIS_PASSWORD), and the password in REDIS_URL",
    )


def _use(client: Any) -> None:
    """Use Redis as the product does: keys, and a message through a channel.

    Raises the errors of Redis.
    """
    name = shared_name("doctor", secrets.token_hex(8))
    client.set(name, "1", ex=KEEP_S)
    client.get(name)
    client.incr(name)
    client.delete(name)
    with client.pubsub() as channel:
        channel.subscribe(name)
        channel.get_message(timeout=1)
        client.publish(name, "1")


def _facts(client: Any) -> dict[str, Any] | None:
    try:
        return dict(client.info())
    except redis.exceptions.NoPermissionError:
        return None


def _version(check: str, facts: dict[str, Any]) -> Iterator[Finding]:
    if int(str(facts["redis_version"]).partition(".")[0]) < OLDEST:
        yield failure(check, f"Redis {facts['redis_version']} is too old", f"Redis {OLDEST}.0 or newer")


def _policy(check: str, facts: dict[str, Any]) -> Iterator[Finding]:
    policy = facts.get("maxmemory_policy")
    if policy != "noeviction":
        yield failure(check, f"maxmemory-policy is {policy}: Redis drops keys when it is full", "maxmemory-policy noeviction")
    if facts.get("role") == "slave":
        yield failure(check, REASONS["readonly"], CHANGES["readonly"])


def _memory(check: str, facts: dict[str, Any]) -> Iterator[Finding]:
    used, most = int(facts["used_memory"]), int(facts.get("maxmemory") or facts.get("total_system_memory") or 0)
    part = used / most if most else 0.0
    text = f"{used / 2**20:,.0f} MiB of {most / 2**20:,.0f} are used ({part:.0%})"
    if part > FULL_FAILS:
        yield failure(check, text, "maxmemory of Redis, and the memory of its container")
    elif part > FULL_WARNS:
        yield warning(check, text, "maxmemory of Redis, and the memory of its container")
