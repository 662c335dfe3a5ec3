"""`python -m bench.profile`: profile the product into stacks and a flame graph.

Needs py-spy on the PATH.

Writes artifacts/bench/profile-NAME.txt (collapsed stacks, one a line with its samples) and profile-NAME.svg beside it, and prints
the functions with the most samples and their shares: including their callees, and alone.
"""

from __future__ import annotations

import collections
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any

from bench import cpu, load, servers
from tests.support.profile import profile as test_profile
from tests.support.services import Postgres, Redis

RESULTS = Path(__file__).resolve().parents[1] / "artifacts" / "bench"
SECONDS = 3
# py-spy's "function (file.py:12)" ends with the current line.
_LINE = re.compile(r":\d+\)")
SCENES: dict[str, dict[str, Any]] = {
    "fan-out": {"connections": 1000, "rooms": 1, "mode": "closed", "window": 64},
    "small-rooms": {"connections": 1000, "rooms": 200, "mode": "closed", "window": 1},
    "ingest": {"connections": 512, "rooms": 200, "mode": "senders"},
    "handshakes": {"connections": 32, "rooms": 1, "mode": "handshakes", "steps": [("expect", '"type":"hello"')]},
}


def main(names: list[str]) -> None:
    """Profile the given scenes, or all of them."""
    os.sched_setaffinity(0, {cpu.LOAD_CORE})
    servers.allow_files()
    RESULTS.mkdir(parents=True, exist_ok=True)
    with Postgres() as postgres, Redis() as redis:
        product = servers.Product(postgres, redis)
        try:
            for name in names or SCENES:
                profile(product, name)
        finally:
            product.close()
            test_profile.exits.close()


def profile(product: servers.Product, name: str) -> None:
    """Profile one scene."""
    options = SCENES[name]
    target = product.target(options["rooms"])
    worker = max(product.process.members())  # the smallest pid is Gunicorn's master
    stacks, picture = RESULTS / f"profile-{name}.txt", RESULTS / f"profile-{name}.svg"

    def record() -> None:
        time.sleep(1.5)  # the generator's warm-up
        for kind, path in (("raw", stacks), ("flamegraph", picture)):
            # Only threads that hold the GIL: a waiting thread costs nothing.
            command = ["py-spy", "record", "--pid", str(worker), "--rate", "100", "--gil", "--duration", str(SECONDS)]
            subprocess.run([*command, "--format", kind, "--output", str(path)], capture_output=True, check=True)

    recording = Thread(target=record)
    figure = load.run(target, ready=recording.start, warmup=1, seconds=2 * SECONDS + 2, **options)
    recording.join()
    # The recorder's title is its command line, with paths of this machine.
    picture.write_text(re.sub(r'(<text id="title"[^>]*>)[^<]*', rf"\1{name}, {SECONDS} s", picture.read_text()))
    print(f"\n{name}: {figure.deliveries_per_s:,.0f} deliveries/s, {figure.handshakes_per_s:,.0f} handshakes/s")
    print("  in all  itself")
    for function, whole, own in shares(stacks.read_text())[:40]:
        print(f"  {whole:6.1%}  {own:6.1%}  {function}")


def shares(collapsed: str) -> list[tuple[str, float, float]]:
    """Return functions by their share of samples.

    Anywhere on the stack, and as innermost frame.

    The input has lines "outer;…;inner COUNT".
    """
    whole: collections.Counter[str] = collections.Counter()
    own: collections.Counter[str] = collections.Counter()
    for line in collapsed.splitlines():
        stack, _, number = line.rpartition(" ")
        frames = _LINE.sub(")", stack).split(";")
        own[frames[-1]] += int(number)
        for function in set(frames):  # once, even in recursion
            whole[function] += int(number)
    return [(function, count / own.total(), own[function] / own.total()) for function, count in whole.most_common()]


if __name__ == "__main__":
    main(sys.argv[1:])
