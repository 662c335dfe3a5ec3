"""A gauge that is absent while it has no value, with one worker and with several."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from core import metrics

pytestmark = pytest.mark.once


@pytest.mark.parametrize("several", [False, True])
def test_gauge_is_absent_while_it_has_no_value(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, several: bool
) -> None:
    settings.METRICS_DIR = str(tmp_path) if several else ""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for value, line in (
        (None, ""),
        (1_796_008_500.0, "hubbub_backup_timestamp_seconds 1.7960085e+09\n"),
        (0.0, "hubbub_backup_timestamp_seconds 0.0\n"),
        (None, ""),
    ):
        monkeypatch.setattr(metrics.BACKED_UP, "value", value)
        text = metrics.exposition()[0].decode()
        shown = [one for one in text.splitlines(keepends=True) if one.startswith("hubbub_backup_timestamp_seconds")]
        assert shown == ([line] if line else [])
        assert ("# TYPE hubbub_backup_timestamp_seconds gauge" in text) == bool(line)
