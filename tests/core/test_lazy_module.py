"""Packages that most processes never use are not loaded by a start."""

import subprocess
import sys

import pytest

from core.lazy_module import LazyModule, without
from tests.support.server import ROOT, base_environment

pytestmark = pytest.mark.once

UNUSED = ("rich", "chess", "pycrdt", "opentelemetry.sdk.metrics", "PIL", "py_vapid", "multiprocessing.pool")


def test_a_start_loads_no_package_of_an_unused_feature() -> None:
    code = f"import sys, config.asgi, redis; print([name for name in {UNUSED!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "app",
        env=base_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "[]\n", done.stderr


def test_a_module_is_loaded_when_first_asked() -> None:
    lazy = LazyModule("colorsys")
    sys.modules.pop("colorsys", None)
    assert "colorsys" not in sys.modules
    assert lazy.rgb_to_hsv(0, 0, 0) == (0.0, 0.0, 0)
    assert "colorsys" in sys.modules
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = lazy.no_such_name


def test_a_hidden_module_is_found_again_afterwards() -> None:
    sys.modules.pop("colorsys", None)
    with without("colorsys"), pytest.raises(ModuleNotFoundError):
        import colorsys  # noqa: F401, PLC0415
    import colorsys as found  # noqa: PLC0415

    with without("colorsys"):
        import colorsys as again  # noqa: PLC0415
    assert again is found
