"""/healthz, /readyz and /metrics, for orchestrators and Prometheus."""

import asyncio
import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from realtime import hub
from server import probes
from server.pidfiles import RuntimeDirectory
from tests.conftest import StartServer
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.ports import accepts, free_port
from tests.support.processes import Process
from tests.support.profile import Profile
from tests.support.server import ROOT, Server, manage


async def get(server: Server, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.base_url, timeout=10) as http:
        return await http.get(path, headers=headers)


def samples(text: str) -> dict[str, float]:
    """Return every sample of an exposition, `name{label="value"}` → value."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def measured(server: Server) -> dict[str, float]:
    answer = await get(server, "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return samples(answer.text)


async def test_ready_names_each_check(server: Server) -> None:
    answer = await get(server, "/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "checks": {"draining": "ok", "database": "ok", "migrations": "ok"},
        "degraded": [],
    }
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.django_db(transaction=True)
async def test_probes_that_come_together_share_a_query(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def seen() -> bool:
        asked.append(1)
        return True

    monkeypatch.setattr(probes, "_seen_migrated", seen)
    try:
        answers = await asyncio.gather(*[probes.readyz() for _ in range(20)])
    finally:
        # Where an earlier test has loaded the application its services are asked, which starts this loop's hub.
        if (started := hub.current.peek()) is not None:
            await started.stop()
    assert {status for status, _, _ in answers} == {200}
    assert len(asked) == 1


async def test_probes_accept_any_host(server: Server) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await get(server, path, Host="10.0.0.7:8000")).status_code == 200


async def test_answer_to_head_has_no_body(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        answer = await http.head("/healthz")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_metrics_add_up_over_all_workers(server: Server, profile: Profile) -> None:
    """Any worker answers with the same sockets, and counters never decrease.

    Workers that do not answer publish their values once a second.
    """
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    before = await measured(server)
    chats = [ChatClient(server.ws_url(), ada) for _ in range(6)]
    for chat in chats:
        await chat.open()
    for _ in range(5):
        await chats[0].send(room, "counted")
    name = 'hubbub_sockets{dialect="native"}'
    await until_shown(server, "hubbub_events_stored_total", before.get("hubbub_events_stored_total", 0) + 5)
    await until_shown(server, name, before.get(name, 0) + 6)
    readings = [await measured(server) for _ in range(6)]
    assert {reading[name] for reading in readings} == {before.get(name, 0) + 6}
    assert {reading["hubbub_events_stored_total"] - before.get("hubbub_events_stored_total", 0) for reading in readings} == {5}
    for chat in chats:
        await chat.close()
    await until_sockets(server, before.get(name, 0))


async def test_names_and_labels_are_few(server: Server) -> None:
    """No label may grow with people, rooms or client input."""
    ada = await sign_up(server.base_url)
    async with ChatClient(server.ws_url(), ada) as chat:
        for number in range(30):
            await chat.push(f"made-up-{number}", room=f"room-{number}")
        await chat.request("ping")
    found = await measured(server)
    assert not [name for name in found if "made-up" in name or ada.name in name]
    ours = [name for name in found if name.startswith("hubbub_")]
    assert len({name.partition("{")[0] for name in ours}) < 120
    # Of each route there are two series for each method and status that it was asked with: tests/server/test_http_metrics.py.
    assert len([name for name in ours if "route=" not in name]) < 400
    assert all(re.match(r"hubbub_|python_|process_", name) for name in found)


async def test_a_refused_frame_is_counted_by_its_code(server: Server) -> None:
    async with ChatClient(server.ws_url(), await sign_up(server.base_url)) as chat:
        name = 'hubbub_frames_refused_total{code="unknown_type"}'
        before = (await measured(server)).get(name, 0)
        await chat.push("nonsense")
        await chat.expect_error("unknown_type")
        assert (await measured(server))[name] == before + 1


async def test_frames_and_deliveries_are_counted_within_a_second(server: Server) -> None:
    """Each worker buffers its counts; another one may answer the scrape."""
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    frames, delivered = 'hubbub_frames_received_total{type="message.send"}', "hubbub_deliveries_total"
    before = await measured(server)
    moved: list[float] = []
    async with ChatClient(server.ws_url(), ada) as chat:
        await chat.join(room)
        for _ in range(3):
            await chat.send(room, "counted")
        for _ in range(8):
            after = await measured(server)
            moved = [after.get(name, 0) - before.get(name, 0) for name in (frames, delivered)]
            if moved == [3, 3]:
                return
            await asyncio.sleep(0.25)
    raise AssertionError(moved)


async def test_sockets_of_a_dead_worker_are_not_counted(start_server: StartServer) -> None:
    server = start_server()
    ada = await sign_up(server.base_url)
    chats = [ChatClient(server.ws_url(), ada) for _ in range(4)]
    for chat in chats:
        await chat.open()
    for pid in server.process.members()[1:]:
        os.kill(pid, signal.SIGKILL)
    await until_sockets(server, 0)
    for chat in chats:
        await chat.close()


async def until_sockets(server: Server, number: float) -> None:
    await until_shown(server, 'hubbub_sockets{dialect="native"}', number)


async def until_shown(server: Server, name: str, number: float) -> None:
    """Wait until /metrics shows that; it may not answer while workers start."""
    for _ in range(100):
        with suppress(httpx.TransportError):
            if (await measured(server)).get(name, 0) == number:
                return
        await asyncio.sleep(0.2)
    raise AssertionError(f"{name} is never {number}: {await measured(server)}")


async def test_server_is_not_ready_before_its_migrations(server: Server, profile: Profile, tmp_path: Path) -> None:
    """A new release waits for its migrations instead of failing on every request."""
    port = free_port()
    env = server.env | {"DATA_DIR": str(tmp_path), "PORT": str(port)}
    if profile.postgres:
        env["DATABASE_URL"] = profile.postgres.create_database()
    process = Process([ROOT / "scripts" / "run_gunicorn.sh"], env=env, log=tmp_path / "log", cwd=ROOT)
    try:
        process.wait_until(lambda: accepts(port), timeout=30, what="the server")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
            assert (await http.get("/healthz")).status_code == 200
            answer = await http.get("/readyz")
            assert answer.status_code == 503
            assert answer.json()["ready"] is False
            assert answer.json()["checks"] == {"draining": "ok", "database": "ok", "migrations": "failing"}
            assert "migrations are not applied" in process.tail()
            await asyncio.to_thread(manage, "migrate", "--no-input", env=env)
            assert (await http.get("/readyz")).status_code == 200
    finally:
        process.kill()


async def test_server_is_not_ready_before_its_first_database_check(server: Server, tmp_path: Path) -> None:
    """A later outage only degrades: tests/realtime/across/test_database_away.py."""
    port = free_port()
    address = f"postgres://hubbub:secret@127.0.0.1:{free_port()}/hubbub"
    env = server.env | {"DATA_DIR": str(tmp_path), "PORT": str(port), "WEB_CONCURRENCY": "1"}
    env |= {"DATABASE_URL": address, "SECRET_KEY": token_hex(32)}
    process = Process([ROOT / "scripts" / "run_gunicorn.sh"], env=env, log=tmp_path / "log", cwd=ROOT)
    try:
        process.wait_until(lambda: accepts(port), timeout=30, what="the server")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
            assert (await http.get("/healthz")).status_code == 200
            answer = await http.get("/readyz")
            assert answer.status_code == 503
            assert answer.json()["checks"] == {"draining": "ok", "database": "failing", "migrations": "failing"}
            assert "database" in answer.json()["degraded"]
    finally:
        process.kill()


def test_migrations_seen_by_one_worker_count_for_its_successor(tmp_path: Path) -> None:
    """The successor of a dead worker cannot check while the database is away."""
    master = RuntimeDirectory(tmp_path / "run" / "server")
    (tmp_path / "run").mkdir(mode=0o700)
    master.enter()
    assert not master.seen_migrated()
    RuntimeDirectory(master.directory).note_migrated()
    assert RuntimeDirectory(master.directory).seen_migrated()
    master.enter()
    assert not master.seen_migrated(), "a new master may be of a new release"
    master.leave()
