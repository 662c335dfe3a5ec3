"""Django's cache on the first Redis of REDIS_URL.

It may be in every form of core/redis_urls.py, sentinels included.
"""

from __future__ import annotations

import functools
from typing import Any

import redis
from django.conf import settings
from django.core.cache.backends.redis import RedisCache, RedisCacheClient

from core.redis_urls import blocking_client_for


class ShardClient(RedisCacheClient):
    def get_client(self, key: Any = None, *, write: bool = False) -> redis.Redis:
        return _client()


class ShardCache(RedisCache):
    """`BACKEND` of CACHES."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = ShardClient


@functools.cache
def _client() -> redis.Redis:
    return blocking_client_for(settings.REDIS_SHARDS[0])
