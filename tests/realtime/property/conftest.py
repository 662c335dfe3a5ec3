"""The place where the machine runs: real database, three processes in one."""

import logging
from collections.abc import Iterator

import pytest
from django.conf import settings

from tests.realtime.property.wires import TransportWire, Wire
from tests.realtime.property.world import Place, place
from tests.support.coalesce import COALESCE
from tests.support.profile import Profile


@pytest.fixture
def wire() -> type[Wire]:
    """How clients are connected, unless a test says otherwise: as in production."""
    return TransportWire


@pytest.fixture
def coalesce(profile: Profile) -> str:
    """The way to send, unless a test says otherwise: that of the run."""
    return profile.coalesce


@pytest.fixture
def here(transactional_db: None, monkeypatch: pytest.MonkeyPatch, wire: type[Wire], coalesce: str) -> Iterator[Place]:
    """Processes without clients or rooms."""
    for name, value in COALESCE[coalesce].items():
        monkeypatch.setattr(settings, name, type(getattr(settings, name))(value))
    logging.disable(logging.CRITICAL)  # each example says that something is away, hundreds of times
    try:
        with place(monkeypatch, wire) as made:
            yield made
    finally:
        logging.disable(logging.NOTSET)
