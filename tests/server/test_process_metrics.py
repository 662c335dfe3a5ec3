"""Each worker reports its own CPU and memory."""

import asyncio
import time

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.profile import Profile
from tests.support.server import Server


async def by_worker(server: Server, name: str) -> dict[str, float]:
    """Return a metric's value of each worker by its process id."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{server.base_url}/metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.labels["worker"]: sample.value for sample in samples if sample.name == name}


async def test_cpu_and_memory_are_reported_by_worker(server: Server, profile: Profile) -> None:
    deadline = time.monotonic() + 20
    while len(before := await by_worker(server, "hubbub_worker_cpu_seconds")) < profile.workers:
        assert time.monotonic() < deadline, "each worker reports once a second"
        await asyncio.sleep(0.3)
    resident = await by_worker(server, "hubbub_worker_resident_bytes")
    assert len(resident) == len(before) == profile.workers
    assert all(20e6 < value < 1e9 for value in resident.values()), resident
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        for _ in range(300):
            await http.get("/readyz")
    await asyncio.sleep(1.5)
    after = await by_worker(server, "hubbub_worker_cpu_seconds")
    assert sum(after.values()) > sum(before.values())
