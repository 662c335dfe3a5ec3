"""nginx in front of a small real upstream."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.nginx.front import Front, Upstream

StartFront = Callable[..., Front]


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """The server behind nginx."""
    with Upstream(tmp_path_factory.mktemp("upstream")) as running:
        yield running


@pytest.fixture(scope="session")
def front(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """One nginx without limits, for all tests that can share it."""
    with Front(tmp_path_factory.mktemp("nginx"), [upstream.port], {}) as running:
        yield running


@pytest.fixture
def start_front(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartFront]:
    """Start an nginx for one test: `start_front(LIMIT_HANDSHAKES_PER_S="5")`.

    `upstream_ports` are its servers.
    """
    with ExitStack() as exits:

        def start(*, upstream_ports: Sequence[int] = (upstream.port,), **env: str) -> Front:
            directory: Path = tmp_path_factory.mktemp("nginx")
            return exits.enter_context(Front(directory, upstream_ports, env))

        yield start
