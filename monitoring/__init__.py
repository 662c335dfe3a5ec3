"""Dashboards and rules.

They hold what is said in docs/observability.md.
"""
