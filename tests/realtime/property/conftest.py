"""The place where the machine runs: real database, three processes in one."""

import logging
from collections.abc import Iterator

import pytest

from tests.realtime.property.wires import TransportWire, Wire
from tests.realtime.property.world import Place, place


@pytest.fixture
def wire() -> type[Wire]:
    """How clients are connected, unless a test says otherwise: as in production."""
    return TransportWire


@pytest.fixture
def here(transactional_db: None, monkeypatch: pytest.MonkeyPatch, wire: type[Wire]) -> Iterator[Place]:
    """Processes without clients or rooms."""
    logging.disable(logging.CRITICAL)  # each example says that something is away, hundreds of times
    try:
        with place(monkeypatch, wire) as made:
            yield made
    finally:
        logging.disable(logging.NOTSET)
