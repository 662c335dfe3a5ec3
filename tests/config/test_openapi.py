"""The server against its OpenAPI document, with requests of schemathesis."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import StartServer
from tests.support.chat_client import Account, create_room, sign_up
from tests.support.profile import Profile
from tests.support.server import Server

pytestmark = pytest.mark.fleet

SIGN_OUT = "accounts_api_session_delete"
QUOTAS = ("CALLS_PER_S", "ROOMS_PER_H", "ROOMS_PER_USER", "INVITES_PER_H", "INVITES_PER_PERSON")
# A schema cannot describe look-alike names, common passwords, cursors, "one of two", an order of two times, a time zone,
# the keys of a device, characters that can be seen, or that 1.0 is not a whole number.
CONFIG = """
[parameters]
"path.slug" = "{room}"

[[operations]]
include-name = [
  "POST /api/rooms", "POST /api/signup", "POST /api/leave", "POST /api/blocks", "POST /api/rooms/{{slug}}/members",
  "GET /api/rooms", "GET /api/rooms/{{slug}}/messages", "GET /api/users",
  "POST /api/hooks/{{token}}", "PUT /api/rooms/{{slug}}/sensors/{{sensor_id}}/alarm",
  "GET /api/rooms/{{slug}}/sensors/{{sensor_id}}/series", "POST /api/rooms/{{slug}}/sensors/readings",
  "POST /api/rooms/{{slug}}/devices",
  "PATCH /api/notifications", "POST /api/notifications/devices",
]
checks.positive_data_acceptance.expected-statuses = ["2xx", "4xx"]
"""


def explore(server: Server, account: Account, *arguments: str, config: Path, seed: int = 1) -> None:
    """Run schemathesis with all its checks; fail when one fails."""
    tool = Path(sys.executable).parent / "schemathesis"
    command: list[str | Path] = [
        tool,
        "--config-file",
        config,
        "run",
        f"{server.base_url}/api/openapi.json",
        "--checks",
        "all",
        "--no-color",
    ]
    command += ["--seed", f"{seed}", "--phases", "coverage,fuzzing"]
    command += ["--header", f"Authorization: Token {account.token}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, cwd=config.parent)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(300)
async def test_every_answer_matches_the_openapi_document(profile: Profile, start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(**{f"LIMIT_{name}": "0" for name in QUOTAS})
    account, passing = await sign_up(server.base_url), await sign_up(server.base_url)
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(room=await create_room(server.base_url, account)))
    # Signing out would end the token of the other calls.
    # A run with one seed looks at few of the wrong values.
    seed = 1 if profile.postgres is None else 2
    # With --max-time it goes on until that is spent.
    many = ("--max-examples", "5", "--max-time", "45")
    explore(server, account, "--exclude-operation-id", SIGN_OUT, *many, config=config, seed=seed)
    explore(server, passing, "--include-operation-id", SIGN_OUT, "--max-examples", "100", config=config)
    assert "Traceback" not in server.log


async def test_document_has_every_error_as_a_problem(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        document = (await http.get("/api/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            assert {"429", "500", "503"} <= set(responses), (method, path)
            assert ("412" in responses) == bool(operation.get("security")), (method, path)
            assert {"400", "413"} <= set(responses) or "requestBody" not in operation, (method, path)
            for status in (status for status in responses if status >= "400"):
                assert set(responses[status]["content"]) == {"application/problem+json"}, (method, path, status)
    assert document["paths"]["/api/rooms"]["post"]["responses"]["409"]
    assert "security" not in document["paths"]["/api/signup"]["post"]
    assert document["paths"]["/api/me"]["get"]["security"] == [{"token": []}, {"session": []}]
    hook = document["paths"]["/api/hooks/{token}"]["post"]
    assert hook["security"] == [], "the address is the credential"
    assert "401" not in hook["responses"]
    assert {"408", "507"} <= set(document["paths"]["/api/rooms/{slug}/files"]["post"]["responses"])
    for path in ("/api/files/{code}/{name}", "/api/thumbnails/{code}"):
        assert "416" in document["paths"][path]["get"]["responses"]


async def test_document_has_a_schema_of_every_answer(server: Server) -> None:
    """The test with schemathesis holds the answers to them."""
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        document = (await http.get("/api/openapi.json")).json()
    del document["paths"]["/api/stream"]  # its frames are those of docs/asyncapi.yaml
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert not {"x-answer", "x-refuses"} & set(operation), (method, path)
            for status, answer in operation["responses"].items():
                if "200" <= status < "300" and status != "204":
                    ((media, content),) = answer["content"].items()
                    schema = content["schema"]
                    assert "$ref" in schema or isinstance(schema.get("additionalProperties"), dict) or media != "application/json"
