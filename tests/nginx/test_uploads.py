"""Bodies of uploads: larger than others, passed on as they come."""

from collections.abc import Iterator

import httpx
import pytest

from tests.nginx.conftest import StartFront
from tests.nginx.front import Front
from tests.support.ports import free_port

PATH = "/api/rooms/lobby/files"
MIB = 2**20


def test_upload_is_larger_than_other_bodies(front: Front) -> None:
    assert httpx.post(f"{front.url}{PATH}", content=b"x" * 3 * MIB, timeout=20).json()["path"] == PATH
    for path in ("/api/rooms/lobby/messages", f"{PATH}/x", "/api/rooms/files", "/chat/rooms/lobby/files"):
        assert httpx.post(f"{front.url}{path}", content=b"x" * 2 * MIB, timeout=20).status_code == 413


def test_upload_above_the_limit_is_a_problem_that_names_it(start_front: StartFront) -> None:
    front = start_front(LIMIT_FILE_MB="2")
    form = 64 * 1024
    assert httpx.post(f"{front.url}{PATH}", content=b"x" * (2 * MIB + form), timeout=20).status_code == 200
    answer = httpx.post(f"{front.url}{PATH}", content=b"x" * (2 * MIB + form + 1), timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert "2 MiB" in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"


def test_upload_reaches_the_app_before_its_end(front: Front) -> None:
    """Nothing of it is kept here: the app refuses a stranger's at once."""

    def endless() -> Iterator[bytes]:
        yield b"x" * MIB
        # The app has answered by now where the body was passed on.
        found = [path for path in (front.directory / "temp").rglob("*") if path.is_file() and path.stat().st_size > MIB // 2]
        assert not found, "the body lies on nginx's disk"
        yield b"x"

    assert httpx.post(f"{front.url}{PATH}", content=endless(), timeout=20).status_code == 200


@pytest.mark.parametrize("path", ["/api/files/0123/a.png", "/api/thumbnails/0123"])
def test_files_are_passed_through(front: Front, path: str) -> None:
    answer = front.get(path, headers={"Range": "bytes=0-4", "If-None-Match": '"x"'})
    headers = {name.lower(): value for name, value in answer.json()["headers"]}
    assert (headers["range"], headers["if-none-match"]) == ("bytes=0-4", '"x"')


def test_absent_app_gets_an_explained_503(start_front: StartFront) -> None:
    front = start_front(upstream_ports=[free_port()])
    for answer in (httpx.post(f"{front.url}{PATH}", content=b"x", timeout=20), front.get("/api/files/0/a")):
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
