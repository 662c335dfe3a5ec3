"""Measure the product and its baselines in one run: see docs/performance.md."""
