"""A drill reports a fault without effect."""

import random
from pathlib import Path

import pytest

from tests.chaos import drill as drilling
from tests.chaos.chaos_stack import ChaosStack, packets
from tests.chaos.crowd import Size
from tests.chaos.drill import drill
from tests.chaos.faults.fault import Fault
from tests.chaos.records import Row

RULES = """\
-P INPUT ACCEPT -c 10 800
-P FORWARD ACCEPT -c 0 0
-P OUTPUT ACCEPT -c 11 900
-A INPUT -s 172.18.0.5/32 -c 0 0 -j DROP
-A INPUT -s 172.18.0.50/32 -c 7 420 -j DROP
-A INPUT -s 172.18.0.9/32 -p tcp -m multiport --sports 80,81 -c 2 120 -j DROP
-A OUTPUT -d 172.18.0.5/32 -c 3 252 -j DROP
-A OUTPUT -d 172.18.0.6/32 -c 0 0 -j DROP
"""


class Nowhere(ChaosStack):
    """A stack that was never started and has no log."""

    def memory(self) -> float:
        return 50.0

    def read_log(self, prefix: str, database: str = "hubbub") -> dict[str, list[Row]]:
        return {}


class Idle(Fault):
    name, title = "idle", "nothing is done"

    async def begin(self) -> None:
        pass

    def without_effect(self) -> str:
        return "it was not to have any"


class Real(Idle):
    name = "real"

    def without_effect(self) -> str:
        return ""


@pytest.mark.parametrize(
    ("faults", "found"),
    [
        ([Idle], ("idle had no effect: it was not to have any",)),
        ([Real, Idle, Real], ("idle had no effect: it was not to have any",)),
        ([Real], ()),
    ],
)
async def test_fault_without_effect_is_reported(
    faults: list[type[Fault]], found: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pause in ("BEFORE_S", "AFTER_S", "LISTEN_S"):
        monkeypatch.setattr(drilling, pause, 0.0)
    empty = Size(clients=0, rooms=0)
    figures = await drill(Nowhere(tmp_path), faults, ["unused"], empty, chance=random.Random(0), say=lambda _line: None)
    assert figures[-1].problems == found


@pytest.mark.parametrize(
    ("addresses", "dropped"),
    [(["172.18.0.5"], 3), (["172.18.0.5", "172.18.0.50"], 10), (["172.18.0.9"], 2), (["172.18.0.6"], 0), (["172.18.0.7"], 0)],
)
def test_dropped_packets_are_counted_by_address(addresses: list[str], dropped: int) -> None:
    assert packets(RULES, addresses) == dropped
