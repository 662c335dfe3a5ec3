"""Static files are compressed for the servers that send them."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from config.static_storage import GzipStorage

pytestmark = pytest.mark.once


def test_a_file_gets_its_gz_and_nothing_else(tmp_path: Path) -> None:
    assert find_spec("brotli"), "without it nothing could be made too much"
    (tmp_path / "main.css").write_text("body { color: black }\n" * 100)
    storage = GzipStorage(location=tmp_path, base_url="/static/")
    assert storage.exists("main.css")
    for _ in storage.post_process({"main.css": (storage, "main.css")}):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["main.css", "main.css.gz"]
