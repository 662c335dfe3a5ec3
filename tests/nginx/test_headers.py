"""Security headers: each exactly once, the app's own value first.

No version of nginx.
"""

import pytest

from tests.nginx.front import HASHED, Front
from tests.nginx.upstream import OWN_POLICY

EXPECTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


PATHS = ["/", "/api/me", "/chat/lobby/", f"/{HASHED}", "/static/missing.js", "/metrics", "/readyz"]
PATHS += ["/static/assets/gone-12345678.js", "/static/assets/gone-as-django.js"]  # the latter sends headers that nginx drops


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_each_header_once(front: Front, path: str) -> None:
    headers = front.get(path).headers
    for name, value in EXPECTED.items():
        assert headers.get_list(name) == [value], name
    assert len(headers.get_list("permissions-policy")) == 1
    assert "strict-transport-security" not in headers
    policy = headers.get_list("content-security-policy")
    assert len(policy) == 1
    directives = dict(part.strip().split(" ", 1) for part in policy[0].split(";"))
    assert directives == {
        "default-src": "'self'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": f"'self' ws://127.0.0.1:{front.port} wss://127.0.0.1:{front.port}",
        "object-src": "'none'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
    }


def test_own_headers_of_the_app_are_kept(front: Front) -> None:
    headers = front.get("/own-headers").headers
    assert headers.get_list("content-security-policy") == [OWN_POLICY]
    assert headers.get_list("x-frame-options") == ["SAMEORIGIN"]
    assert headers.get_list("x-content-type-options") == ["nosniff"]


def test_host_header_cannot_inject_into_the_policy(front: Front) -> None:
    answer = front.raw(b"GET /metrics HTTP/1.1\r\nHost: x;script-src*\r\nConnection: close\r\n\r\n")
    assert b"script-src 'self'" in answer
    assert b"script-src*" not in answer.split(b"\r\n\r\n")[0]


def test_version_of_nginx_is_hidden(front: Front) -> None:
    for answer in (front.get("/metrics"), front.get("/api/me"), front.get("/static/none")):
        assert "/" not in answer.headers["server"]
    assert b"nginx/" not in front.raw(b"rubbish\r\n\r\n")


def test_retry_after_of_the_app_is_kept(front: Front) -> None:
    assert front.get("/readyz").headers.get_list("retry-after") == ["7"]
