"""The real overlays, rendered once; a test with changes gets a copy."""

from __future__ import annotations

import copy

import pytest

from k8s.checks.manifests import Manifests
from k8s.checks.render import OVERLAYS, kustomize_command, render


@pytest.fixture(scope="session")
def kustomize() -> list[str]:
    return kustomize_command()


@pytest.fixture(scope="session")
def _production(kustomize: list[str]) -> Manifests:
    return render(OVERLAYS / "production", kustomize)


@pytest.fixture
def production(_production: Manifests) -> Manifests:
    """The production overlay, for changes."""
    return Manifests(copy.deepcopy(_production.objects))
