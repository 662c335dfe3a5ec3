"""Validate objects against Kubernetes' JSON schemas.

The oldest and the newest supported version are used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import kubernetes_validate

from k8s.checks import custom
from k8s.checks.manifests import Manifests, ref

# 1.30 is the first with `preStop.sleep` without a feature gate.
OLDEST = "1.30"
NEWEST: str = kubernetes_validate.latest_version()


class Schemas:
    """Strict validation: an unknown field is an error.

    Equal objects are checked once.
    """

    def __init__(self) -> None:
        self._seen: dict[str, list[str]] = {}

    def violations(self, manifests: Manifests) -> Iterator[str]:
        for item in manifests.objects:
            key = json.dumps(item, sort_keys=True)
            if key not in self._seen:
                self._seen[key] = [text for version in (OLDEST, NEWEST) for text in _violations(item, version)]
            yield from self._seen[key]


def _violations(item: dict[str, Any], version: str) -> Iterator[str]:
    if custom.knows(item):
        if version == NEWEST:  # they have versions of their own
            yield from (f"{ref(item)}: {found}" for found in custom.violations(item))
        return
    try:
        kubernetes_validate.validate(item, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        path = ".".join(str(part) for part in error.path) or "the object"
        yield f"{ref(item)}: {path}: {error.message} (schema of Kubernetes {version})"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"{ref(item)}: {error.message}"
