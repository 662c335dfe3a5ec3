"""Tokens and tickets never reach a log, whether requests succeed or fail."""

import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.nginx.conftest import StartFront
from tests.nginx.front import Front
from tests.support.ports import free_port

SECRET = "tkn-5b1c2d3e"


async def test_log_of_a_socket_has_its_path_without_query(front: Front) -> None:
    headers = {
        "Authorization": f"Token {SECRET}",
        "Referer": f"http://x/?token={SECRET}",
        "Cookie": f"sessionid={SECRET}",
    }
    async with connect(f"{front.ws}/ws/logged/?token={SECRET}", additional_headers=headers):
        pass
    front.get(f"/chat/logged/?ticket={SECRET}", headers=headers)
    assert front.access("/ws/logged/")["status"] == "101"
    assert front.access("/chat/logged/")["status"] == "200"
    assert SECRET not in front.settled_log()


async def test_log_of_a_failed_socket_has_no_query(start_front: StartFront) -> None:
    front = start_front(upstream_ports=[free_port()])
    headers = {"Referer": f"http://x/?token={SECRET}", "Authorization": f"Token {SECRET}"}
    for path in ("/ws/", "/chat/lobby/", "/infra/ws"):
        with pytest.raises(InvalidStatus) as refusal:
            await connect(f"{front.ws}{path}?token={SECRET}", additional_headers=headers)
        assert refusal.value.response.status_code == 503
    front.get(f'/api/me?token={SECRET}%22", request: "x', headers=headers)
    # The messages remain for troubleshooting; the parts with the query are cut.
    log = front.settled_log()
    assert log.count("[error]") >= 4
    assert "while connecting to upstream" in log
    assert SECRET not in log


def test_log_has_no_token_of_a_webhook(front: Front) -> None:
    front.get(f"/api/hooks/{SECRET}")
    assert front.access("/api/hooks/")["method"] == "GET"
    assert SECRET not in front.settled_log()


def test_log_of_a_failed_webhook_has_no_token(start_front: StartFront) -> None:
    front = start_front(upstream_ports=[free_port()])
    front.get(f"/api/hooks/{SECRET}")
    assert SECRET not in front.settled_log()


def test_log_of_a_malformed_request_has_no_query(front: Front) -> None:
    front.raw(f"GET /ws/?token={SECRET} HTTP/1.1\r\nHost: a b\r\n\r\n".encode())
    front.raw(f"GET /ws/?token={SECRET} HTTP/9.9\r\n\r\n".encode())
    front.raw(f"GET /ws/?token={SECRET} HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n".encode())
    assert SECRET not in front.settled_log()


def test_every_log_line_is_json_for_any_request(front: Front) -> None:
    front.raw(b'GET /odd/\xff"\\% HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    front.raw(b'GET /odd/agent HTTP/1.1\r\nHost: x\r\nUser-Agent: "a\\b\t\xfe\r\nConnection: close\r\n\r\n')
    assert front.access("/odd/agent")["agent"].startswith('"a\\b\t')
    lines = [line for line in front.settled_log().splitlines() if line.startswith("{")]
    assert all(json.loads(line)["time"] for line in lines)
