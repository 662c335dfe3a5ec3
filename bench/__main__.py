"""`make bench`: measure all rows, interleaved.

It writes artifacts/bench/latest.json and pictures.

QUICK=1: a few rows, under 3 minutes. ROWS=name,… measures only these rows and keeps the others of the previous run, if it had
the same form. BEFORE=COMMIT measures that commit's product in turn with this one, in rows that compare versions.
Exit code 1: a delivery of the product was lost, doubled or misdirected, or a message is missing from its log.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from bench import cpu, plots, report, results, rows, servers
from bench.load import CannotMeasure
from tests.support.profile import profile
from tests.support.services import Postgres, Redis, missing_services

RESULTS = Path(__file__).resolve().parents[1] / "artifacts" / "bench" / "latest.json"
# Time limit of the quick form.
QUICK_S = 180.0


def main() -> int:
    """Measure and print; return 0, 1 (wrong deliveries) or 2 (cannot measure here)."""
    lacking = missing_services()
    if lacking:
        print("\n".join(lacking), file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)
    os.sched_setaffinity(0, {cpu.LOAD_CORE})
    servers.allow_files()
    quick = os.environ.get("QUICK", "0") not in {"", "0"}
    asked = [name for name in os.environ.get("ROWS", "").split(",") if name]
    unknown = set(asked) - set(rows.ROWS)
    if unknown:
        print(f"ROWS: unknown {', '.join(sorted(unknown))}; known are {', '.join(rows.ROWS)}", file=sys.stderr)
        return 2
    begun = time.monotonic()
    names = asked or list(rows.QUICK if quick else rows.ROWS)
    try:
        run, found = _measure(names, quick=quick, kept=rows_of_before(RESULTS, quick=quick) if asked else {})
    except CannotMeasure as error:
        print(error, file=sys.stderr)
        return 2
    print("\n" + report.targets(found))
    print(*plots.pictures(found["rows"], RESULTS.parent), sep="\n")
    return verdict(run.figures, time.monotonic() - begun, quick=quick and not asked)


def verdict(figures: dict[str, list[results.Figure]], seconds: float, *, quick: bool) -> int:
    """Print the duration and the faults; return the exit code."""
    print(f"{seconds:.0f} s in all")
    if quick and seconds > QUICK_S:  # no fault of the product: the machine may have had other work
        print(f"\n!!! THE QUICK FORM TOOK {seconds:.0f} s, AND MAY TAKE {QUICK_S:.0f} s !!!\n", file=sys.stderr)
    wrong = list(results.wrong(figures))
    print("".join(f"{line}\n" for line in wrong), end="", file=sys.stderr)
    return 1 if wrong else 0


def _measure(names: list[str], *, quick: bool, kept: dict[str, Any]) -> tuple[rows.Run, dict[str, Any]]:
    found: dict[str, Any] = {"machine": cpu.machine(), "at": results.today(), "quick": quick, "rows": kept}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as exits:
        exits.callback(profile.exits.close)  # ends processes started by the tests' support
        postgres, redis = exits.enter_context(Postgres()), exits.enter_context(Redis())
        product = servers.Product(postgres, redis)
        exits.callback(product.close)
        before = None
        if commit := os.environ.get("BEFORE"):
            root = servers.checkout(commit, RESULTS.parent)
            before = servers.Product(postgres, redis, name="hubbub before", root=root)
            exits.callback(before.close)
        run = rows.Run(product, postgres, redis, quick=quick, before=before)
        for name in names:
            run.measure(name)
            found["rows"] |= run.as_dict()
            RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    return run, found


def rows_of_before(path: Path, *, quick: bool) -> dict[str, Any]:
    """Return the rows of the previous results at `path`.

    None if it had the other form.

    Its runs are shorter and fewer.
    """
    if not path.exists():
        return {}
    before: dict[str, Any] = json.loads(path.read_text())
    if before["quick"] != quick:
        return {}
    rows_before: dict[str, Any] = before["rows"]
    for figures in rows_before.values():
        for figure in figures:
            figure.setdefault("at", before["at"])
    return rows_before


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """Unwind, so that every server ends with this process."""
    print(f"stopped early by {signal.Signals(number).name}: no verdict; rows of this run are in {RESULTS}", file=sys.stderr)
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
