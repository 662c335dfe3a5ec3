"""The surroundings of the state machine: a real database, three processes in one."""

import logging
from collections.abc import Iterator

import pytest

from tests.realtime.property.wires import TransportWire, Wire
from tests.realtime.property.world import Place, place


@pytest.fixture
def wire() -> type[Wire]:
    """The connection of clients: as in production, unless a test overrides it."""
    return TransportWire


@pytest.fixture
def here(transactional_db: None, monkeypatch: pytest.MonkeyPatch, wire: type[Wire]) -> Iterator[Place]:
    """Processes without clients or rooms."""
    logging.disable(logging.CRITICAL)  # each example logs hundreds of outages
    try:
        with place(monkeypatch, wire) as made:
            yield made
    finally:
        logging.disable(logging.NOTSET)
