"""Whole runs of the shapes, some with several processes or faults."""

import csv
import json

import pytest

from tests.loadtest.conftest import RunLoad
from tests.loadtest.runs import LoadRun
from tests.support.server import Server

PEOPLE = {"PROFILES": "person", "THINK": "0.6-1.2", "USERS": "16", "SETTLE": "3s", "PATIENCE": "8s"}

pytestmark = [pytest.mark.integration, pytest.mark.load(**PEOPLE)]


@pytest.mark.load(fault="none", SHAPE="steps", STEPS="2", TIME="16s", GATES="returns", PICTURE="1")
def test_each_step_is_reported_and_drawn(run: LoadRun) -> None:
    assert run.code == 0, run.output
    low, high = run.summary["steps"]
    assert (low["users"], high["users"]) == (8, 16)
    assert low["there"] == [8, 8]
    assert high["there"][1] == run.summary["users_came"] == 16
    assert high["a_second"]["deliveries"] > 2 * low["a_second"]["deliveries"]
    assert low["figures"]["send → delivery to others"]["count"] > 0
    rows = list(csv.DictReader((run.report / "timeline.csv").open()))
    assert [int(row["users"]) for row in rows][:2] == [8, 8]
    assert max(int(row["users"]) for row in rows) == 16
    assert (run.report / "timeline.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.load(fault="none", SHAPE="storm", STORMS="2", TIME="3s")
def test_storm_cuts_all_users_and_all_return(run: LoadRun) -> None:
    assert run.code == 0, run.output
    counts = run.summary["counts"]
    assert counts["cut"] + counts.get("away at a cut", 0) == 32
    assert counts["back after a cut"] == counts["cut"] >= 16
    assert run.summary["figures"]["reconnect → resynchronised"]["count"] >= counts["cut"]
    assert run.summary["connections_ended"]["dropped 1006"] >= counts["cut"]


@pytest.mark.load(fault="skip-on-resume", SHAPE="storm", STORM_JITTER="1s", TIME="5s")
def test_storm_finds_an_event_missing_on_resume(run: LoadRun) -> None:
    assert run.code == 1, run.output
    assert run.summary["faults"]["lost"] > 0


@pytest.mark.load(fault="none", SHAPE="spike", SPIKE="4", TIME="18s")
def test_spike_ends_most_users_without_loss(run: LoadRun) -> None:
    assert run.code == 0, run.output
    assert [step["users"] for step in run.summary["steps"]] == [4, 16, 4]
    assert run.summary["connections_ended"] == {"asked 1000": 16}


@pytest.mark.load(fault="none", SHAPE="spike", SPIKE="8", USERS="40", SPAWN_RATE="2", TIME="9s")
def test_spike_without_its_users_fails(run: LoadRun) -> None:
    assert run.code == 1, run.output
    assert "MISSED  users who came: at least 90% of 40" in run.output
    assert "MISSED  users there from 4.5 to 6 s: at least 75% of 40" in run.output
    assert run.summary["users_came"] < 20
    assert run.summary["steps"][1]["there"][1] < 20


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, marks=pytest.mark.load(fault=fault, SHAPE="deploy", TIME="3s", PATIENCE="30s"), id=fault)
        for fault, code in (("restart", 0), ("none", 1))
    ],
)
def test_deploy_run_without_a_deploy_fails(code: int, run: LoadRun) -> None:
    assert run.code == code, run.output
    assert ("MISSED  servers were rolled" in run.output) == (code == 1)


@pytest.mark.parametrize(
    "rooms",
    [
        pytest.param(rooms, marks=pytest.mark.load(fault="none", SHAPE=shape, TIME="3s"), id=shape)
        for shape, rooms in (("stadium", 1), ("village", 3), ("soak", 1), ("ramp", 1))
    ],
)
def test_the_crowd_chats(rooms: int, run: LoadRun) -> None:
    assert run.code == 0, run.output
    assert run.summary["rooms"] == rooms
    assert run.summary["counts"]["deliveries"] > 0


@pytest.mark.load(SHAPE="polls", PROFILES="voter", TIME="4s")
def test_people_vote(run: LoadRun) -> None:
    assert run.code == 0, run.output
    assert run.summary["counts"]["votes"] > 0


@pytest.mark.load(fault="none", SHAPE="soak", USERS="12", TIME="4s", PROFILES="lurker:0.90,talker:0.09,bot:0.01")
def test_twelve_users_of_the_crowd_send_messages(run: LoadRun) -> None:
    assert run.code == 0, run.output
    assert run.summary["acknowledged"] > 0


@pytest.mark.load(SHAPE="slow-readers", SLOW="0.25", TIME="4s")
def test_slow_readers_delay_no_others(run: LoadRun) -> None:
    assert run.code == 0, run.output
    assert run.summary["profiles"] == {"person": 0.75, "slow": 0.25}
    slow = run.summary["figures"]["send → delivery to others (slow readers)"]
    others = run.summary["figures"]["send → delivery to others"]
    assert slow["count"] + others["count"] == run.summary["counts"]["deliveries"], "each is in one of them"
    assert run.summary["counts"]["read late"] > 0
    assert slow["max"] > 200
    # Users that waited for them would be as late as they are, half of that in the middle of the run.
    assert others["p50"] < max(200, slow["max"] / 4), "the others waited for slow readers"


@pytest.mark.load(server={"LIMIT_MESSAGES_PER_S": "20"}, SHAPE="flood", FLOODERS="0.13", TIME="9s")
def test_a_flood_is_refused_and_the_others_chat_on(run: LoadRun) -> None:
    assert run.code == 0, run.output
    counts = run.summary["counts"]
    assert counts["flood messages"] > 100
    assert counts["flood refused: rate_limited"] + run.summary["connections_ended"].get("server 4009", 0) > 0
    assert run.summary["acknowledged"] > 0


@pytest.mark.load(fault="none", PROCESSES="2", TIME="3s", ROOMS="2")
def test_several_processes_share_users_and_compare_events(run: LoadRun) -> None:
    assert run.code == 0, run.output
    summary = run.summary
    assert summary["generator"]["processes"] == 2
    assert summary["connections_ended"] == {"asked 1000": 16}
    assert summary["counts"]["deliveries"] == 7 * summary["acknowledged"], "each room's other 7 users, in any process"
    assert summary["figures"]["send → delivery to others"]["count"] == summary["counts"]["deliveries"]
    assert summary["clock_error_ms"] == 0, "one host, one clock"


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.load(fault=fault, PROCESSES="2", TIME="3s", ROOMS="1"))
        for fault, kind in (("lose", "lost"), ("store-twice", "duplicate"), ("deny", "contradiction"))
    ],
)
def test_several_processes_find_a_planted_fault(kind: str, run: LoadRun) -> None:
    assert run.code == 1, run.output
    assert run.summary["faults"][kind] > 0


@pytest.mark.load(fault="none", PROCESSES="2", SHAPE="storm", STORMS="1", TIME="3s")
def test_storm_runs_over_several_processes(run: LoadRun) -> None:
    assert run.code == 0, run.output
    assert run.summary["counts"]["cut"] == 16


@pytest.mark.load(fault="none", arguments=("--json",), split=True)
def test_standard_output_is_json_only(run: LoadRun) -> None:
    assert run.code == 0, run.output
    assert json.loads(run.output) == run.summary


@pytest.mark.load(fault="none", GATES="strict")
def test_a_starved_generator_makes_latencies_invalid(run: LoadRun) -> None:
    assert run.code == 3, run.output
    above, _, below = run.output.partition("send → own acknowledgement")
    assert "GENERATOR STARVED: it used" in above
    assert "GENERATOR STARVED: it used" in below
    assert "limits, from GATES=strict: 0.1 %" in run.output
    assert "INVALID: the generator was starved" in run.output
    assert "PASSED" not in run.output
    assert run.summary["verdict"] == "invalid"


@pytest.mark.load(fault="lose", GATES="strict")
def test_starved_run_with_losses_fails_without_latencies(run: LoadRun) -> None:
    assert run.code == 1, run.output
    assert "MISSED  lost: none" in run.output
    assert "GENERATOR STARVED: it used" in run.output
    assert "FAILED: " in run.output
    assert "its latencies are INVALID" in run.output


@pytest.mark.load(SEED="echo {n} of nothing; exit 3")
def test_empty_seed_command_is_reported(run: LoadRun) -> None:
    assert run.code == 2
    assert "SEED=" in run.output


def test_seeded_accounts_replace_sign_up(server: Server, run_load: RunLoad) -> None:
    seed = f"env ALLOW_SEED=1 {' '.join(_shell(server))} app/manage.py seed {{n}}"
    run = run_load(server.base_url, **PEOPLE, TIME="2s", SEED=seed)
    assert run.code == 0, run.output
    assert "sign-up" not in run.summary["figures"]
    assert (run.report / "tokens").stat().st_mode & 0o077 == 0


def _shell(server: Server) -> list[str]:
    kept = ("DATA_DIR", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PATH")
    return [f"{name}={server.env[name]!r}" for name in kept if name in server.env] + ["python"]
