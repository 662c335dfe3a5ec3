"""`scripts/chaos`: start a stack, run the faults, print the table.

Exit code 1: a broken promise.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

import httpx

from tests.chaos import report
from tests.chaos.chaos_stack import ChaosStack, descendants, machine, why_not
from tests.chaos.crowd import Size
from tests.chaos.drill import drill
from tests.chaos.faults.catalogue import FAULTS
from tests.chaos.figures import Figures, in_a_row, not_ended
from tests.chaos.neighbour import Neighbour
from tests.stack.stack import ROOT

PAGE = ROOT / "docs" / "reliability.md"


def main() -> int:
    asked = _arguments()
    if why_not():
        say(f"chaos: {why_not()}")
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)
    with tempfile.TemporaryDirectory(prefix="hubbub-chaos-") as directory:
        ChaosStack.copy(Path(directory))
        stack = ChaosStack(Path(directory))
        try:
            say(f"Building and starting the stack {stack.project}")
            stack.up()
            figures = asyncio.run(_runs(stack, asked))
        finally:
            stack.remove()
    return _tell(figures, asked)


def _end(number: int, _frame: FrameType | None) -> None:
    """Remove the stack on the way out, after its running start has ended."""
    for other in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(other, signal.SIG_IGN)
    say(f"chaos: stopped early by {signal.Signals(number).name}: no verdict; removing the stack")
    for pid in descendants(os.getpid()):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    sys.exit(128 + number)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def _runs(stack: ChaosStack, asked: argparse.Namespace) -> list[Figures]:
    size = Size(asked.clients, asked.rooms, asked.rate)
    tokens = await asyncio.to_thread(stack.seed, size.clients)
    with Neighbour(stack, own_id=not asked.mix) as neighbour:
        return await _all_runs(neighbour, asked, tokens, size)


async def _all_runs(neighbour: Neighbour, asked: argparse.Namespace, tokens: list[str], size: Size) -> list[Figures]:
    figures: list[Figures] = []
    if asked.mode != "together":
        for name in asked.faults:
            chance = random.Random(f"{asked.seed} {name}")
            figures += await _one(neighbour, [name], tokens, size, chance)
        over_all = in_a_row(figures)
        for problem in over_all:
            say(f"    {problem}")
        figures[-1] = replace(figures[-1], problems=(*figures[-1].problems, *over_all))
    if asked.mode != "single":
        chance = random.Random(asked.seed)
        order = chance.sample(asked.faults, len(asked.faults))
        say(f"All in one run, in the order of seed {asked.seed}: {', '.join(order)}")
        figures += (await _one(neighbour, order, tokens, size, chance))[-1:]
    return figures


async def _one(neighbour: Neighbour, names: Sequence[str], tokens: list[str], size: Size, chance: random.Random) -> list[Figures]:
    say(f"{', '.join(names)}")
    faults = [FAULTS[name] for name in names]
    try:
        figures = await drill(neighbour.stack, faults, tokens, size, chance=chance, say=say, neighbour=neighbour)
    except (AssertionError, TimeoutError, subprocess.SubprocessError, OSError, httpx.HTTPError) as error:
        figures = [not_ended(names[0] if len(names) == 1 else "all", faults[0].title, f"{type(error).__name__}: {error}")]
    for problem in figures[-1].problems:
        say(f"    {problem}")
    return figures


def _tell(figures: list[Figures], asked: argparse.Namespace) -> int:
    print(report.markdown(figures))
    report.save(ROOT / "artifacts" / "chaos" / "figures.json", figures)
    how = f"{asked.clients} clients in {asked.rooms} rooms, seed {asked.seed}; {machine()}"
    print(f"\n{how}")
    if asked.write:
        report.keep(PAGE, figures, how=how)
    broken = sum(len(row.problems) for row in figures)
    if broken:
        print(f"{broken} promises broken; each is named above and in artifacts/chaos/figures.json")
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rooms", type=int, default=20)
    parser.add_argument("--rate", type=float, default=1.0, help="messages a second and room")
    parser.add_argument("--seed", default=os.environ.get("SEED") or str(random.SystemRandom().randrange(10**6)))
    parser.add_argument("--mode", choices=["both", "single", "together"], default="both")
    parser.add_argument("--mix", action="store_true", help="plant a fault: both installations have one id")
    parser.add_argument("--write", action="store_true", help="keep the table in docs/reliability.md")
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="of " + ", ".join(FAULTS))
    asked = parser.parse_args()
    unknown = set(asked.faults) - set(FAULTS)
    if unknown:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}; known are {', '.join(FAULTS)}")
    if asked.clients < 2 * asked.rooms or asked.rooms < 2:
        parser.error(f"--rooms must be 2 or more and --clients twice that, not {asked.rooms} and {asked.clients}")
    if not 0 < asked.rate <= 100:
        parser.error(f"--rate must be above 0 and at most 100, not {asked.rate}")
    asked.faults = asked.faults or list(FAULTS)
    return asked


if __name__ == "__main__":
    sys.exit(main())
