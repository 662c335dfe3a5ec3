"""Combine the results of a run's processes.

Pure.
"""

from collections import Counter
from typing import Any

from loadtest.generator import Generator
from loadtest.ledger import KINDS, Kind, Register
from loadtest.timeline import Timeline

_EXAMPLES = 50


class Results:
    """Sums of counters, the worst generator's figures, one timeline.

    `merge` adds the result of Trial.results.
    """

    def __init__(self, seconds: float) -> None:
        self.counts: Counter[str] = Counter()
        self.endings: Counter[str] = Counter()
        self.faults: Counter[Kind] = Counter()
        self.exceptions: Counter[str] = Counter()
        self.examples: list[str] = []
        self.advice: list[str] = []
        self.acknowledged = 0
        self.timeline = Timeline(seconds)
        self.generators: list[dict[str, Any]] = []
        self.clock_error_ms = 0.0
        self._nodes: set[str] = set()
        self._register = Register()

    def merge(self, node: str, found: dict[str, Any]) -> None:
        """Add the results of one process, once."""
        if node in self._nodes:
            return
        self._nodes.add(node)
        self.counts.update(found["counts"])
        self.endings.update(found["endings"])
        self.faults.update(found["faults"])
        self.exceptions.update(found["exceptions"])
        self.examples += found["examples"][: _EXAMPLES - len(self.examples)]
        self.advice += [sentence for sentence in found["advice"] if sentence not in self.advice]
        self.acknowledged += found["acknowledged"]
        self.timeline.merge(found["timeline"])
        self.generators.append(found["generator"])
        self.clock_error_ms = max(self.clock_error_ms, found["clock_error_ms"])
        self._compare(found["contents"], node)

    def complete(self, processes: int) -> bool:
        """Return whether so many processes have delivered results."""
        return len(self._nodes) >= max(1, processes)

    def generator(self) -> dict[str, Any]:
        """Return the worst process's value of each figure: it limits the run."""
        if not self.generators:
            return {"processes": 0, **Generator().as_dict()}
        lags = {part: max(one["lag_ms"][part] for one in self.generators) for part in self.generators[0]["lag_ms"]}
        cpu = {name: max(one[name] for one in self.generators) for name in ("cpu_percent", "cpu_percent_worst")}
        return {"processes": len(self.generators), **cpu, "lag_ms": lags}

    def fault_counts(self) -> dict[str, int]:
        """Return the number of faults of every kind."""
        return {kind: self.faults[kind] for kind in KINDS}

    def _compare(self, contents: dict[str, Any], node: str) -> None:
        before = Counter(self._register.counts)
        self._register.compare(contents, node)
        self.faults.update(self._register.counts - before)
        if self._register.counts != before:
            self.examples = (self.examples + [str(fault) for fault in self._register.faults])[:_EXAMPLES]
