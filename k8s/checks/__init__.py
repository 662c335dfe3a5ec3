"""Holds what k8s/ renders to: Kubernetes' own schemas, and rules of ours. `scripts/check_k8s` runs it."""
