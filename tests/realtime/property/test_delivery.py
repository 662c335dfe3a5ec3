"""No message is lost, doubled or reordered under random sequences of faults.

HUBBUB_EXAMPLES=5000 runs longer with other examples each time; a failure prints its steps.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.realtime.property.machine import machine_for
from tests.realtime.property.wires import AsgiWire, TransportWire
from tests.realtime.property.world import Place

EXAMPLES = int(os.environ.get("HUBBUB_EXAMPLES", "0"))
SETTINGS = settings(
    stateful_step_count=30,
    derandomize=not EXAMPLES,
    # Shrinking a failure takes minutes: only HUBBUB_EXAMPLES does it.
    phases=list(Phase) if EXAMPLES else [Phase.generate],
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(900)  # two minutes of a core, which other blocks want, too; cut off, it tells of faults that there are not
@pytest.mark.parametrize(("wire", "number"), [(TransportWire, 40), pytest.param(AsgiWire, 20, marks=pytest.mark.once)])
def test_every_client_receives_the_whole_log(here: Place, number: int) -> None:
    """Production has the first wire; the other one differs in how frames leave."""
    machine = machine_for(here)
    run_state_machine_as_test(machine, settings=settings(SETTINGS, max_examples=EXAMPLES or number))
    rare = {
        "gap",
        "unread",
        "duplicate",
        "page with more",
        "unavailable",
        "message.edited",
        "message.deleted",
        "reaction",
        "forbidden",
        "no_such_target",
        "closed 4008",
        "closed 1012",
    }
    assert rare <= {what for what, times in machine.seen.items() if times}, f"too little happened: {machine.seen}"
