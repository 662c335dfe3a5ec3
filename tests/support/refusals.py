"""Counts this process's refusals of clients, from core/refusals.py."""

from prometheus_client import REGISTRY


def refused(kind: str) -> float:
    """Return the number of refusals of one kind so far."""
    return REGISTRY.get_sample_value("hubbub_refusals_total", {"kind": kind}) or 0.0
