"""nginx's own answers."""

import pytest

from tests.nginx.conftest import StartFront
from tests.nginx.front import Front
from tests.support.ports import free_port


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/metrics/", "/metrics?x=1", "//metrics", "/%6detrics", "/./metrics", "/x/../metrics", "/metrics;x"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_metrics_are_not_reachable(front: Front, path: str, method: str) -> None:
    answer = front.raw(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404"), answer[:200]


def test_metrics_are_not_reachable_by_upgrade_or_full_url(front: Front) -> None:
    upgrade = "Upgrade: websocket\r\nConnection: close, upgrade\r\n\r\n"
    for target in ("/metrics", "http://127.0.0.1/metrics"):
        answer = front.raw(f"GET {target} HTTP/1.1\r\nHost: x\r\n{upgrade}".encode())
        assert answer.startswith(b"HTTP/1.1 404")


def test_health_check_passes_and_nginx_has_its_own(front: Front) -> None:
    assert front.get("/healthz").json()["path"] == "/healthz"
    assert front.get("/readyz").status_code == 503
    assert front.get("/nginx-healthz").text == "ok\n"
    assert front.get("/nginx-readyz").json()["path"] == "/healthz"
    log = front.settled_log()
    assert not [path for path in ("/healthz", "/readyz", "/nginx-healthz", "/nginx-readyz") if f'"{path}"' in log]


def test_absent_app_gets_an_explained_503(start_front: StartFront) -> None:
    front = start_front(upstream_ports=[free_port()])
    page = front.get("/")
    assert page.status_code == 503
    assert "Back in a moment" in page.text
    assert page.headers["retry-after"] == "2"
    api = front.get("/api/rooms")
    assert (api.status_code, api.json()["status"]) == (503, 503)
    assert api.headers["content-type"] == "application/problem+json"
    assert api.json()["code"] == "unavailable"
    assert front.get("/nginx-healthz").status_code == 200
    assert front.get("/nginx-readyz").text == "ok\n", "nginx has the address of the app"


def test_own_redirect_has_no_host_and_no_port(front: Front) -> None:
    answer = front.raw(b"GET /api HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 301"), answer[:200]
    assert b"\r\nLocation: /api/\r\n" in answer
