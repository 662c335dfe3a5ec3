"""A shorter `make chaos`: fewer people, the faults that tell most, one after the other, with each way to send."""

import random
import secrets
from collections.abc import Iterator

import pytest

from tests.chaos.chaos_stack import ChaosStack, why_not
from tests.chaos.crowd import Size
from tests.chaos.drill import drill
from tests.chaos.faults.catalogue import FAULTS
from tests.support.coalesce import COALESCE
from tests.support.profile import Profile

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
def chaos_stack(tmp_path_factory: pytest.TempPathFactory, profile: Profile) -> Iterator[ChaosStack]:
    """A stack of its own, with the fault point; its images come out of the build cache when the stack tests made theirs."""
    assert not why_not(), why_not()
    directory = tmp_path_factory.mktemp("chaos")
    ChaosStack.copy(directory)
    running = ChaosStack(directory, profile.coalesce)
    try:
        running.up()
        yield running
    finally:
        running.remove()


async def test_nothing_is_lost(chaos_stack: ChaosStack, profile: Profile) -> None:
    """Every fault once. Who asks for one way to send has them all with that one; else each has a share of them, by chance."""
    seed = secrets.randbelow(10**6)
    chance = random.Random(str(seed))
    order = chance.sample(TELLING, len(TELLING))
    ways = [profile.coalesce] if profile.is_asked else list(COALESCE)
    tokens = chaos_stack.seed(SIZE.clients)
    for number, way in enumerate(ways):
        share = order[number :: len(ways)]
        chaos_stack.send_by(way)
        said: list[str] = []
        figures = await drill(chaos_stack, [FAULTS[name] for name in share], tokens, SIZE, chance=chance, say=said.append)
        whole = figures[-1]
        assert whole.problems == (), f"seed {seed}, COALESCE={way}: " + "\n".join([*said, *whole.problems])
        assert whole.events > 5 * len(share) * SIZE.rooms
        assert whole.deliveries > 5 * whole.events
