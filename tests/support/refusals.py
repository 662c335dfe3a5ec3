"""How many clients this process has refused: what core/refusals.py counts beside its log lines."""

from prometheus_client import REGISTRY


def refused(kind: str) -> float:
    """Return the number of refusals of one kind so far."""
    return REGISTRY.get_sample_value("hubbub_refusals_total", {"kind": kind}) or 0.0
