"""Features that only tests have.

A server runs them with the environment SAMPLES.
"""

from pathlib import Path

SAMPLES = {"DJANGO_SETTINGS_MODULE": "tests.support.samples.settings", "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
