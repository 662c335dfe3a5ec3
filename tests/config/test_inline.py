"""Middleware stays on the event loop; only database calls use a thread."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.signals import request_started
from django.db import close_old_connections, reset_queries
from django.utils.module_loading import import_string

from config import inline

pytestmark = pytest.mark.once

Submitted = Counter[str]


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> Submitted:
    """Records the calls that are handed to threads."""
    found: Submitted = Counter()
    submit = ThreadPoolExecutor.submit

    def counting(pool: ThreadPoolExecutor, function: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
        found[repr((function, *args))] += 1
        return submit(pool, function, *args, **options)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", counting)
    return found


@pytest.fixture
def first_hop_gone() -> Iterator[None]:
    inline.without_first_hop()
    yield
    request_started.connect(reset_queries)
    request_started.connect(close_old_connections)


async def ask(path: str) -> Mapping[str, Any]:
    """Return the start of the answer to a GET without credentials."""
    sent: list[Mapping[str, Any]] = []
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    received.put_nowait({"type": "http.request", "body": b"", "more_body": False})
    scope = {
        "type": "http", "method": "GET", "path": path, "query_string": b"", "root_path": "", "scheme": "http",
        "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000), "http_version": "1.1",
    }  # fmt: skip

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    await get_asgi_application()(scope, received.get, send)
    return sent[0]


@pytest.mark.usefixtures("first_hop_gone")
async def test_api_call_changes_threads_twice_at_most(submitted: Submitted) -> None:
    answer = await ask("/api/openapi.json")
    headers = {name.decode().lower() for name, _ in answer["headers"]}
    assert {"content-security-policy", "x-frame-options", "x-content-type-options", "content-length"} <= headers
    # This view is synchronous, and Django ends each response in a thread.
    assert submitted.total() <= 2, submitted


def test_every_middleware_is_async() -> None:
    """One synchronous middleware moves all later ones to a thread, for each request."""
    for name in settings.MIDDLEWARE:
        middleware = import_string(name)
        assert getattr(middleware, "async_capable", False), name
        assert not name.startswith(("django.", "csp.", "whitenoise.")), f"{name} hands each request to a thread: config/inline.py"
