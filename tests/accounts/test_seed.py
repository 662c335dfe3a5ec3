"""`manage.py seed`: tokens for load runs, only where allowed, never in production."""

import subprocess
import sys

import pytest

from tests.conftest import StartServer
from tests.support.api import with_token
from tests.support.chat_client import Account
from tests.support.server import ROOT, Server


def seed(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "app" / "manage.py"), "seed", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


async def test_seeded_tokens_are_accepted(start_server: StartServer) -> None:
    server = start_server()
    refused = seed(server.env, "3")
    assert refused.returncode == 1
    assert "ALLOW_SEED=1" in refused.stderr
    done = seed(server.env | {"ALLOW_SEED": "1"}, "3")
    tokens = done.stdout.split()
    assert len(set(tokens)) == 3, done.stderr
    for token in tokens:
        async with with_token(server.base_url, Account(0, "", "", token)) as http:
            assert (await http.get("/api/me")).json()["user"]["name"].startswith("seed-")
    assert seed(server.env | {"ALLOW_SEED": "1"}, "0").returncode == 2


ELSEWHERE = {"PUBLIC_URL": "https://chat.example.com"}


@pytest.mark.parametrize("env", [ELSEWHERE, ELSEWHERE | {"DEPLOYMENT": "production"}, {"DEPLOYMENT": "production"}])
async def test_production_is_never_seeded(env: dict[str, str], server: Server) -> None:
    refused = seed(server.env | {"ALLOW_SEED": "1"} | env, "3")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "this is production" in refused.stderr
    assert "DEPLOYMENT=staging" in refused.stderr


async def test_staging_is_seeded_when_allowed(server: Server) -> None:
    staging = server.env | ELSEWHERE | {"DEPLOYMENT": "staging"}
    assert "ALLOW_SEED=1" in seed(staging, "1").stderr
    done = seed(staging | {"ALLOW_SEED": "1"}, "1")
    assert (done.returncode, len(done.stdout.split())) == (0, 1), done.stderr


async def test_unknown_deployment_is_refused(server: Server) -> None:
    wrong = seed(server.env | {"ALLOW_SEED": "1", "DEPLOYMENT": "prod"}, "1")
    assert wrong.returncode != 0
    assert "DEPLOYMENT is 'prod': use one of production, staging, development" in wrong.stderr
