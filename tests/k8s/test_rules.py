"""Each rule finds its planted violation, and nothing in clean manifests."""

from __future__ import annotations

import pytest

import tests.k8s.planted_lifecycle
import tests.k8s.planted_pods
import tests.k8s.planted_wiring  # noqa: F401 - importing fills the table
from k8s.checks.manifests import Manifests
from k8s.checks.rules import RULES
from tests.k8s.planting import PLANTED, Planted


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.change.__name__)
def test_rule_finds_its_planted_violation(planted: Planted, production: Manifests) -> None:
    assert list(planted.rule(production)) == []
    planted.change(production)
    assert any(planted.says in found for found in planted.rule(production)), list(planted.rule(production))


def test_every_rule_has_a_planted_violation() -> None:
    assert {planted.rule.__name__ for planted in PLANTED} == {rule.__name__ for rule in RULES}
