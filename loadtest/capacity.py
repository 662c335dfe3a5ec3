"""`python -m loadtest.capacity`: find the largest load that a server holds.

It also names the exhausted resource (see scripts/capacity).

Users grow until a threshold breaks, then the last step is halved until it is small enough, and the largest load must hold once
more for longer. A run that shows nothing of the server's capacity (it refuses such users, an option is wrong, the run hangs)
ends the search, and the results so far are reported. Exit codes: 0 found; 1 the first load failed, no server answered, or the
search could not go on; 2 an unusable option; 3 the load generator, or TOKENS, was exhausted before the server: the figure is a
lower bound.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from loadtest import __main__ as load
from loadtest import figures, measured, stopping, values
from loadtest.measured import Measured
from loadtest.resources import Servers

_BUSY = 0.85  # share of its cores above which a part counts as exhausted
_MACHINE = 0.92
_LATE = 0.1  # seconds of loop lateness that users notice
_SLOW_COMMIT = 0.1  # seconds
_OPTION, _STARVED = 2, 3


class Stopped(Exception):
    """A run showed nothing of the capacity, and so would the next.

    code: the exit code.
    """

    def __init__(self, reason: str, code: int = 1) -> None:
        super().__init__(reason)
        self.code = code


@dataclass
class Found:
    """The largest load that held and the smallest that failed, in users; 0 for none."""

    held: int = 0
    broke: int = 0


def search(holds: Callable[[int], bool], *, start: int, most: int, precision: float) -> Found:
    """Double from `start` up to `most`, then halve the interval down to `precision`."""
    found = Found()
    users = start
    while users <= most and not found.broke:
        if holds(users):
            found.held = users
            users = users if users == most else min(most, users * 2)
            if found.held == most:
                break
        else:
            found.broke = users
    while found.broke and found.held and found.broke - found.held > max(1.0, precision * found.held):
        middle = (found.held + found.broke) // 2
        if holds(middle):
            found.held = middle
        else:
            found.broke = middle
    return found


def confirm(holds: Callable[[int], bool], users: int, *, attempts: int = 4) -> int:
    """Return the largest load that holds: `users`, then a tenth less each time.

    0 if none does.
    """
    for _ in range(attempts):
        if users and holds(users):
            return users
        users = users * 9 // 10
    return 0


def ran_out(run: Measured) -> list[str]:
    """Return the resources exhausted in a failed run, the most certain first."""
    reasons = []
    if run.starved:
        reasons.append(f"the load generator: {run.starved}")
    busy = sorted(((run.share(part), part) for part in run.cpu), reverse=True)
    reasons += [f"processor of {part}: {share:.0%} of its limit" for share, part in busy if share >= _BUSY]
    if run.machine >= _MACHINE:
        reasons.append(f"the processors of this machine: {run.machine:.0%} busy, generator and all else on it")
    commits = run.counters.get("hubbub_commit_seconds_count", 0)
    commit = run.counters.get("hubbub_commit_seconds_sum", 0) / commits if commits else 0.0
    if commit >= _SLOW_COMMIT:
        reasons.append(f"Postgres: a commit took {commit * 1000:.0f} ms on average")
    if run.lag >= _LATE:
        reasons.append(f"an event loop of web: {run.lag * 1000:.0f} ms late")
    if run.counters.get("hubbub_layer_dropped_total"):
        reasons.append(f"Redis: {run.counters['hubbub_layer_dropped_total']:.0f} messages were not taken in time")
    if run.counters.get("hubbub_frames_refused_total") and not reasons:
        reasons.append("a limit of the server: it refused frames (LIMIT_…)")
    return reasons + [f"a limit of the server: {sentence}" for sentence in run.summary.get("advice", []) if not reasons]


def held(run: Measured) -> bool:
    """Return whether the server held a load; raises Stopped if the run cannot tell."""
    last = (run.said.strip().splitlines() or ["it said nothing"])[-1]
    if run.late:
        raise Stopped(f"the run did not end in time, and was ended; the last it said: {last}")
    if run.code == _OPTION:
        raise Stopped(last, code=_OPTION)
    if run.code not in {0, 1, _STARVED} or not run.summary:
        raise Stopped(f"the run ended with {run.code} and without a result; the last it said: {last}")
    if run.summary.get("refused"):
        raise Stopped(f"the server refuses such users, however few they are: {run.summary['aborted']}")
    return run.code == 0


class Finder:
    """Runs loads of different sizes and remembers their outcomes."""

    def __init__(self, env: dict[str, str], servers: Servers, report: Path) -> None:
        self.env, self.servers, self.report = env, servers, report
        self.runs: list[tuple[int, Measured]] = []

    def holds(self, users: int, seconds: str) -> bool:
        """Run one load; return whether it held."""
        folder = self.report / f"{len(self.runs) + 1:02}-{users}-users"
        folder.mkdir(parents=True, exist_ok=True)
        run = measured.run(self.env | {"USERS": str(users), "TIME": seconds}, self.servers, folder)
        self.runs.append((users, run))
        (folder / "output.txt").write_text(run.said)
        print(f"{users:>7} users  {_in_words(run)}", flush=True)
        return held(run)

    def so_far(self) -> Found:
        """Return the result if the search ends here."""
        good = [users for users, run in self.runs if run.code == 0]
        broken = [
            users for users, run in self.runs if run.code in {1, _STARVED} and run.summary and not run.summary.get("refused")
        ]
        return Found(max(good, default=0), min(broken, default=0))

    def last_broken(self) -> Measured | None:
        """Return the smallest load that failed."""
        broken = [(users, run) for users, run in self.runs if run.code in {1, _STARVED}]
        return min(broken, key=lambda one: one[0])[1] if broken else None


def _in_words(run: Measured) -> str:
    verdict = {0: "holds", 1: "breaks", _STARVED: "starves the generator"}.get(run.code, f"ends with {run.code}")
    if run.code == 1 and run.starved:
        verdict = "breaks, starved"
    row = run.summary.get("figures", {}).get(figures.DELIVERED)
    latency = f"delivery p95 {row['p95']:.0f} ms, p99 {row['p99']:.0f} ms" if row else "no delivery"
    rate = run.summary.get("counts", {}).get("deliveries", 0) / (run.summary.get("timed_s") or 1)
    busiest = max(((run.share(part), part) for part in run.cpu), default=(0.0, "nothing was read"))
    return f"{verdict:<22}{latency:<36}{rate:>8.0f} deliveries/s   busiest: {busiest[1]} {busiest[0]:.0%}"


def summary(finder: Finder, found: Found, confirmed: int, stopped: str = "") -> dict[str, Any]:
    """Return the result for JSON.

    Stopped: why the search ended early; then no load is confirmed.
    """
    broken = finder.last_broken()
    best = next((run for users, run in reversed(finder.runs) if users == confirmed and run.code == 0), None)
    return {
        "users": confirmed,
        "broke_at": found.broke,
        "ran_out": ran_out(broken) if broken else [],
        "stopped": stopped,
        "lower_bound": bool(stopped or not found.broke or (broken and broken.starved)),
        "unreadable": [*(broken.unreadable if broken else best.unreadable if best else []), *finder.servers.blind],
        "figures": best.summary["figures"] if best else {},
        "cpu": {part: round(cores, 3) for part, cores in best.cpu.items()} if best else {},
        "runs": [{"users": users, "code": run.code, "cpu": run.cpu, "counters": run.counters} for users, run in finder.runs],
    }


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    """End the current load run and report the results so far."""
    for other in stopping.heard():
        signal.signal(other, signal.SIG_IGN)
    raise Stopped(f"stopped early by {signal.Signals(number).name}")


def main(env: dict[str, str]) -> NoReturn:
    """Search, confirm, report; exits."""
    try:
        url = values.url("URL", env.get("URL") or "http://127.0.0.1:8000")
        start, most = sizes(env)
        time, confirming = env.get("TIME") or "15s", env.get("CONFIRM") or "30s"
        for name, text in (("TIME", time), ("CONFIRM", confirming)):
            values.duration(name, text)
        precision = values.share("PRECISION", env.get("PRECISION") or "0.15")
        report = Path(env.get("REPORT") or "artifacts/capacity").resolve()
        report.mkdir(parents=True, exist_ok=True)
        problem = load.silence_at(url)
        if problem:
            print(f"capacity: nothing answers at {url} ({problem})", file=sys.stderr)
            sys.exit(1)
        env = env | {"SHAPE": env.get("SHAPE") or "soak", "GATES": env.get("GATES") or "capacity"}
        env["SPAWN_RATE"] = env.get("SPAWN_RATE") or "50"
        servers = Servers.of(url, env.get("METRICS", ""), env.get("PROJECT", ""))
    except values.BadOption as error:
        print(f"capacity: {error}", file=sys.stderr)
        sys.exit(2)
    for number in stopping.heard():
        signal.signal(number, _stop)
    finder = Finder(env, servers, report)
    code = 0
    try:
        found = search(lambda users: finder.holds(users, time), start=start, most=most, precision=precision)
        confirmed = confirm(lambda users: finder.holds(users, confirming), found.held)
        answer = summary(finder, found, confirmed)
    except Stopped as stopped:
        print(f"capacity: {stopped}", file=sys.stderr)
        found, code = finder.so_far(), stopped.code
        answer = summary(finder, found, found.held, str(stopped))
    (report / "capacity.json").write_text(json.dumps(answer, ensure_ascii=False, indent=2) + "\n")
    print("\n".join(lines(answer)))
    sys.exit(code or (1 if not answer["users"] else _STARVED if answer["lower_bound"] else 0))


def sizes(env: dict[str, str]) -> tuple[int, int]:
    """Return the users of the first and of the largest run: at most as many as TOKENS.

    Raises BadOption.
    """
    start = values.whole("START", env.get("START") or "25")
    most = values.whole("MOST", env.get("MOST") or "100000", least=start)
    tokens = len(values.tokens("TOKENS", env.get("TOKENS", "")))
    if tokens and tokens < start:
        raise values.BadOption(f"TOKENS={env['TOKENS']!r} holds {tokens} tokens, START={start} needs as many")
    return start, min(most, tokens or most)


def lines(answer: dict[str, Any]) -> list[str]:
    """Return the result as lines of text."""
    at_least = "at least " if answer["lower_bound"] else ""
    found = ["", f"largest load that holds: {at_least}{answer['users']} users"]
    if answer["stopped"]:
        found = ["", f"the search ended early: {answer['stopped']}", f"largest load that held, once: {answer['users']} users"]
    found += [f"  {part:<40}{cores:>7.2f} cores" for part, cores in sorted(answer["cpu"].items())]
    if answer["broke_at"]:
        found.append(f"breaks at {answer['broke_at']} users; what ran out:")
        found += [f"  {reason}" for reason in answer["ran_out"]] or ["  nothing of what could be read"]
    found += [f"  not read: {what}" for what in answer["unreadable"]]
    return found


if __name__ == "__main__":
    main(dict(os.environ))
