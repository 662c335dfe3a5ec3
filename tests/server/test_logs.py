"""The log in JSON has the ids of request, connection and person.

No entry point logs a text or a secret that it accepts.
"""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import inspect as shapes
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed

from core.features import installed
from tests.conftest import StartServer
from tests.support.api import with_token
from tests.support.chat_client import Account, ChatClient, Refused, create_room, sign_up
from tests.support.server import Server

pytestmark = pytest.mark.once

# In everything that people write, and in every secret.
TEXT, SECRET = "zqwritten", "zqsecret"
LIFTED = {"LIMIT_MESSAGES_PER_S": "0", "LIMIT_CALLS_PER_S": "0", "LIMIT_INVITES_PER_H": "0"}
ROOM, NUMBERS = "room", {"user", "member", "person", "id"}


@pytest.fixture(scope="module")
def logging_server(start_module_server: StartServer) -> Server:
    return start_module_server(LOG_FORMAT="json", LOG_LEVEL="debug", **LIFTED)


def lines(server: Server) -> Iterator[dict[str, Any]]:
    for line in server.log.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def assert_clean(server: Server) -> None:
    found = [line for line in server.log.splitlines() if TEXT in line or SECRET in line]
    assert not found, "\n".join(found)


# --- values for every field


def value_of(shape: shapes.Type, name: str, room: str) -> Any:  # noqa: C901  # one case a kind of field
    """Return a value for a field of a frame: text wherever text may stand."""
    match shape:
        case shapes.StrType():
            return room if name == ROOM else f"{TEXT} {secrets.token_hex(4)}"
        case shapes.IntType():
            return shape.ge or 1
        case shapes.FloatType():
            return 1.5
        case shapes.BoolType():
            return True
        case shapes.DateTimeType():
            return datetime.now(UTC)
        case shapes.LiteralType():
            return shape.values[0]
        case shapes.UnionType():
            return value_of(next(one for one in shape.types if not isinstance(one, shapes.NoneType)), name, room)
        case shapes.ListType() | shapes.VarTupleType() | shapes.SetType():
            return [value_of(shape.item_type, name, room) for _ in range(max(2, shape.min_length or 0))]
        case shapes.TupleType():
            return [value_of(one, name, room) for one in shape.item_types]
        case shapes.DictType():
            return {f"{TEXT}-key": value_of(shape.value_type, name, room)}
        case shapes.StructType():
            return {field.encode_name: value_of(field.type, field.name, room) for field in shape.fields}
        case shapes.Metadata():
            return value_of(shape.type, name, room)
    return f"{TEXT} anything"


def body_of(schema: dict[str, Any], document: dict[str, Any], name: str = "", room: str = "") -> Any:
    """Return a body for a call of the API, with text wherever text may stand."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for either in ("anyOf", "oneOf", "allOf"):
        if either in schema:
            return body_of(next(one for one in schema[either] if one.get("type") != "null"), document, name, room)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {key: body_of(one, document, key, room) for key, one in fields.items()} or {TEXT: TEXT}
        case "array":
            return [body_of(schema.get("items", {}), document, name, room)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
    if name in {"password", "new_password", "old_password", "token"}:
        return f"{SECRET}-{secrets.token_hex(8)}"
    return room if name == ROOM else f"{TEXT}-{secrets.token_hex(4)}"


# --- tests


async def test_no_call_of_the_api_leaves_text_or_secrets_in_the_log(logging_server: Server) -> None:
    server = logging_server
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    called, statuses = 0, set[int]()
    async with with_token(server.base_url, ada) as http:
        document = (await http.get("/api/openapi.json")).json()
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if method == "get" and path.endswith("/stream"):
                    continue  # it does not end; the sockets' test opens one
                content = operation.get("requestBody", {}).get("content", {}).get("application/json")
                body = body_of(content["schema"], document, room=room) if content else None
                if (await http.get("/api/rooms", headers=ada.headers)).status_code == 401:  # the last call ended the credential
                    ada = await sign_up(server.base_url)
                    room = await create_room(server.base_url, ada)
                for credentials in (ada.headers, {"Authorization": f"Token {SECRET}-{secrets.token_hex(20)}"}):
                    address = _filled(path, operation, room, ada)
                    answer = await http.request(method, address, json=body, headers=credentials, params=_query(operation))
                    called, statuses = called + 1, statuses | {answer.status_code}
                    broken = await http.request(method, address, content=f'{{"{TEXT}": "{SECRET}', headers=credentials)
                    assert broken.status_code < 500, (method, path, broken.text)
                    assert answer.status_code < 500, (method, path, answer.text)
    assert called > 60
    assert {200, 201, 401, 404} <= statuses
    assert_clean(server)
    assert all({"event", "level", "timestamp"} <= set(line) for line in lines(server))


def _filled(path: str, operation: dict[str, Any], room: str, ada: Account) -> str:
    def value(match: re.Match[str]) -> str:
        parameter = next(one for one in operation["parameters"] if one["name"] == match[1])
        if parameter["schema"].get("type") == "integer":
            return str(ada.id)
        return room if match[1] in {"slug", "room"} else f"{SECRET}-{secrets.token_hex(8)}"

    return re.sub(r"\{(\w+)\}", value, path)


def _query(operation: dict[str, Any]) -> dict[str, str]:
    found = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
    return {one["name"]: "1" if one["schema"].get("type") == "integer" else f"{TEXT}" for one in found}


async def test_no_frame_leaves_text_or_secrets_in_the_log(logging_server: Server) -> None:
    server = logging_server
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    answered: dict[str, str] = {}
    async with ChatClient(server.ws_url(), ada) as chat:
        await chat.join(room)
        for kind, handler in installed().frames.items():
            shape = shapes.type_info(handler.frame)
            assert isinstance(shape, shapes.StructType)
            fields = {one.encode_name: value_of(one.type, one.name, room) for one in shape.fields if one.name != "id"}
            fields.pop("type", None)
            text = msgspec.json.encode(fields).decode()
            try:
                answered[kind] = (await chat.request(kind, **json.loads(text)))["type"]
            except Refused as refusal:
                answered[kind] = refusal.code
        for broken in (
            f'{{"type": "message.send", "text": "{TEXT}',
            f'{{"type": "{TEXT}"}}',
            f'["{TEXT}"]',
            f'{{"text": "{TEXT}\\ud800"}}',
        ):
            await chat.socket.send(broken)
        sent = await chat.send(room, f"{TEXT} alone")
        await chat.request("message.edit", room=room, target=sent["seq"], text=f"{TEXT} edited", key=f"{TEXT} key")
    assert len(answered) > 15
    assert "internal" not in answered.values()
    assert_clean(server)


@pytest.mark.parametrize("path", ["/ws/", "/ws/chat/lobby/", "/ws/location/", "/infra/ws/", "/chat/lobby/", f"/ws/{TEXT}/"])
async def test_no_handshake_leaves_secrets_in_the_log(logging_server: Server, path: str) -> None:
    server = logging_server
    for query in (f"?token={SECRET}", f"?ticket={SECRET}"):
        for headers in (
            {},
            {"Authorization": f"Token {SECRET}"},
            {"Cookie": f"sessionid={SECRET}"},
            {"Origin": "https://elsewhere.example"},
        ):
            async with open_socket(server.ws_url(path) + query, additional_headers=headers) as socket:
                with suppress(ConnectionClosed):
                    await socket.send(TEXT)
                await socket.wait_closed()
    assert_clean(server)


async def test_no_page_leaves_text_or_secrets_in_the_log(logging_server: Server) -> None:
    server = logging_server
    before = len(list(lines(server)))
    password = f"{SECRET}-{secrets.token_hex(8)}"
    form = {"username": TEXT, "password": password, "password1": password, "password2": password, "old_password": password}
    form |= {"new_password1": password, "new_password2": password, "next": f"/{TEXT}"}
    async with httpx.AsyncClient(base_url=server.base_url, follow_redirects=True, timeout=20) as http:
        for path in ("sign-up", "sign-in", "password", "sign-out", "language"):
            await http.post(f"/accounts/{path}/", data=form)  # without its token: refused, and the refusal is logged
            page = await http.get(f"/accounts/{path}/", params={"next": TEXT})
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
            sent = form | {"csrfmiddlewaretoken": token[1] if token else ""}
            assert (await http.post(f"/accounts/{path}/", data=sent, headers={"Referer": server.base_url})).status_code < 500
        for path in (f"/{TEXT}/", f"/chat/{TEXT}/?q={SECRET}", f"/api/{TEXT}", "/admin/login/"):
            await http.get(path, headers={"X-Request-ID": f"{TEXT}\u00e9" if path == "/" else f"{SECRET} x"})
    assert_clean(server)
    assert any(line.get("kind") == "csrf" for line in list(lines(server))[before:])


async def test_lines_of_a_request_carry_its_id_and_person(start_server: StartServer) -> None:
    server = start_server(LOG_FORMAT="json", LIMIT_ROOMS_PER_H="1")
    ada = await sign_up(server.base_url)
    async with with_token(server.base_url, ada) as http:
        await http.post("/api/rooms", json={"slug": "one", "title": "one"})
        answer = await http.post("/api/rooms", json={"slug": "two", "title": "two"}, headers={"X-Request-ID": "proxy-two"})
    assert answer.status_code == 429
    assert answer.headers["X-Request-ID"] == "proxy-two"
    (line,) = [one for one in lines(server) if one.get("kind") == "quota"]
    assert (line["request"], line["user"], line["level"]) == ("proxy-two", ada.id, "warning")


async def test_request_id_that_is_none_is_replaced(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.base_url) as http:
        for given in ("", "a b", "x" * 65, "<script>"):
            answer = await http.get("/api/rooms", headers={"X-Request-ID": given})
            assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])


@pytest.mark.parametrize("compression", ["0", "1"])
async def test_lines_of_a_socket_carry_its_connection_and_person(start_server: StartServer, compression: str) -> None:
    """Frames are handled in a task of their own, or at once in the server's callback."""
    server = start_server(LOG_FORMAT="json", LIMIT_MESSAGES_PER_S="1", WS_COMPRESSION=compression)
    ada, bob = await sign_up(server.base_url), await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as one, ChatClient(server.ws_url(), bob) as two:
        for chat in (one, two):
            await chat.join(room)
            with pytest.raises(Refused, match="rate_limited"):
                for _ in range(20):
                    await chat.send(room, "again")
    found = {line["user"]: line for line in lines(server) if line.get("kind") == "messages"}
    assert set(found) == {ada.id, bob.id}
    assert found[ada.id]["connection"] != found[bob.id]["connection"]
    assert all(re.fullmatch(r"[0-9a-f]{8}-\d+", line["connection"]) for line in found.values())
