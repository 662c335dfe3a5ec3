"""A Redis for tests of the layer that damage it."""

from collections.abc import Iterator

import pytest

from tests.support.services import Redis


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Redis() as redis:
        yield redis
