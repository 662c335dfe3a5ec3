"""A shorter `make chaos`: fewer people, and the most telling faults in turn."""

import random
import secrets
from collections.abc import Iterator

import pytest

from tests.chaos.chaos_stack import ChaosStack, why_not
from tests.chaos.crowd import Size
from tests.chaos.drill import drill
from tests.chaos.faults.catalogue import FAULTS
from tests.chaos.neighbour import Neighbour

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

SIZE = Size(clients=40, rooms=8)
TELLING = (
    "kill-worker",
    "kill-all-web",
    "kill-after-commit",
    "redis-restart",
    "redis-flush",
    "postgres-restart",
    "cut-nginx-web",
    "storm",
    "stalled-readers",
)


@pytest.fixture(scope="module")
def chaos_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosStack]:
    """A stack with the fault point.

    Its images come from the build cache of the stack tests.
    """
    assert not why_not(), why_not()
    directory = tmp_path_factory.mktemp("chaos")
    ChaosStack.copy(directory)
    running = ChaosStack(directory)
    try:
        running.up()
        yield running
    finally:
        running.remove()


async def test_no_message_is_lost_under_any_fault(chaos_stack: ChaosStack) -> None:
    """Run every fault once in random order, beside another installation."""
    seed = secrets.randbelow(10**6)
    chance = random.Random(str(seed))
    order = chance.sample(TELLING, len(TELLING))
    tokens = chaos_stack.seed(SIZE.clients)
    said: list[str] = []
    faults = [FAULTS[name] for name in order]
    with Neighbour(chaos_stack) as neighbour:
        figures = await drill(chaos_stack, faults, tokens, SIZE, chance=chance, say=said.append, neighbour=neighbour)
    whole = figures[-1]
    assert whole.problems == (), f"seed {seed}: " + "\n".join([*said, *whole.problems])
    assert whole.events > 5 * len(order) * SIZE.rooms
    assert whole.deliveries > 5 * whole.events
