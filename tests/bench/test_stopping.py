"""A stopped bench reports no verdict and ends its servers."""

import signal
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.support.processes import Process
from tests.support.server import ROOT, base_environment

pytestmark = [pytest.mark.integration, pytest.mark.once]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_stopped_bench_has_no_verdict_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    env = base_environment() | {"PYTHONPATH": f"{ROOT}:{ROOT / 'app'}", "QUICK": "1"}
    bench = Process([sys.executable, "-m", "bench"], env=env, log=tmp_path / "output", cwd=ROOT)
    try:
        bench.wait_until(lambda: len(bench.members()) > 3, timeout=60, what="its servers")
        servers = set(bench.members()) - {bench.pid}
        bench.send(number)
        assert bench.popen.wait(60) == 128 + number, bench.tail()
        assert f"stopped early by {number.name}: no verdict" in bench.tail()
        deadline = monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in servers):
            assert monotonic() < deadline, "a server was left"
            sleep(0.1)
    finally:
        bench.kill()
