"""Planted violations: a rule, its message, and a change to the overlay."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from k8s.checks.manifests import Manifests, Object
from k8s.checks.rules import Rule

Change = Callable[[Manifests], None]


class Planted(NamedTuple):
    rule: Rule
    says: str
    change: Change


PLANTED: list[Planted] = []


def plants(rule: Rule, says: str) -> Callable[[Change], Change]:
    """Register a change after which `rule` must report a sentence with `says` in it."""

    def register(change: Change) -> Change:
        PLANTED.append(Planted(rule, says, change))
        return change

    return register


def find(manifests: Manifests, reference: str) -> Object:
    """Return the object Kind/name, which must exist."""
    kind, name = reference.split("/")
    found = manifests.find(kind, name)
    assert found is not None, f"{reference} is not rendered"
    return found


def pod(manifests: Manifests, reference: str) -> Object:
    spec: Object = find(manifests, reference)["spec"]["template"]["spec"]
    return spec


def container(manifests: Manifests, reference: str) -> Object:
    first: Object = pod(manifests, reference)["containers"][0]
    return first


def config(manifests: Manifests, name: str) -> dict[str, str]:
    """Return the data of a generated ConfigMap, whose name ends in a hash."""
    (only,) = (item for item in manifests.of("ConfigMap") if item["metadata"]["name"].startswith(f"{name}-"))
    data: dict[str, str] = only["data"]
    return data


def remove(manifests: Manifests, reference: str) -> None:
    manifests.objects.remove(find(manifests, reference))
