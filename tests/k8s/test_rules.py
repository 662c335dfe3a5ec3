"""Each rule finds what is planted, and nothing where nothing is."""

from __future__ import annotations

import pytest

import tests.k8s.planted_lifecycle
import tests.k8s.planted_pods
import tests.k8s.planted_wiring  # noqa: F401 - importing fills the table
from k8s.checks.manifests import Manifests
from k8s.checks.rules import RULES
from tests.k8s.planting import PLANTED, Planted


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.change.__name__)
def test_rule_finds_what_is_planted(planted: Planted, production: Manifests) -> None:
    assert list(planted.rule(production)) == []
    planted.change(production)
    assert any(planted.says in found for found in planted.rule(production)), list(planted.rule(production))


def test_every_rule_is_shown_to_find_something() -> None:
    assert {planted.rule.__name__ for planted in PLANTED} == {rule.__name__ for rule in RULES}
