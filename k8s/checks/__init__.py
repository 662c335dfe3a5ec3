"""Check the rendered objects of k8s/ against Kubernetes' schemas and our rules.

`scripts/check_k8s` runs it.
"""
