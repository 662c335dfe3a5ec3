"""The flood bench covers every endpoint and every frame."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from bench import flood, floods
from config.api import api
from config.ports import FRAMES

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The OpenAPI document as a client gets it."""
    read: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema(path_prefix="/api/")))
    return read


def test_every_endpoint_and_frame_has_a_flood(document: dict[str, Any]) -> None:
    assert floods.missing(document, FRAMES) == []
    flooded = {name.partition("?")[0] for name in floods.names(document)}
    for path, operations in document["paths"].items():
        for method in operations:
            assert f"{method.upper()} {path}" in flooded
    assert FRAMES.keys() <= flooded


def test_new_endpoint_or_frame_without_a_flood_is_named(document: dict[str, Any]) -> None:
    grown = {"paths": document["paths"] | {"/api/dreams": {"post": {"requestBody": {}}}}}
    assert floods.missing(grown, FRAMES | {"dream": None}) == ["POST /api/dreams", "dream"]
    shrunk = {kind: handler for kind, handler in FRAMES.items() if kind != "history"}
    assert floods.missing(document, shrunk) == ["history"]


def test_parameters_of_a_path_are_filled(document: dict[str, Any]) -> None:
    world = floods.World("http://x", "token", "session", "spent", "room", 7, "bob")
    addresses = {floods.address_of(call, world) for call in floods.calls(document).values()}
    assert "/api/rooms/room/members/7" in addresses
    assert not [address for address in addresses if "{" in address]


def test_flooder_takes_the_whole_document(document: dict[str, Any]) -> None:
    world = floods.World("http://127.0.0.1:9", "token", "session", "spent", "room", 7, "bob")
    answers: Counter[str] = Counter()
    with flood._flooding(flood.Flood(floods.NOTHING, world, document), answers):
        pass
    assert not answers


def test_ratio_is_the_median_of_the_rounds() -> None:
    quiet, loud = ([flood.Times([p] * 100, []) for p in rounds] for rounds in ((1.0, 2.0, 4.0), (1.0, 6.0, 8.0)))
    before, after, ratio = flood._held(quiet, loud, "joins")
    assert (before[1], after[1], ratio) == (2.0, 6.0, 2.0)
