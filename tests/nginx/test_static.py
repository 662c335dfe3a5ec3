"""Static files come from nginx: hashed names for a year, compressed beforehand."""

from tests.nginx.front import HASHED, Front

YEAR = "public, max-age=31536000, immutable"


def test_hashed_file_is_cached_for_a_year(front: Front) -> None:
    answer = front.get(f"/{HASHED}", headers={"Accept-Encoding": "identity"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == YEAR
    assert answer.headers["content-type"].split(";")[0] in {"application/javascript", "text/javascript"}
    again = front.get(f"/{HASHED}", headers={"If-None-Match": answer.headers["etag"], "Accept-Encoding": "identity"})
    assert (again.status_code, again.headers["cache-control"]) == (304, YEAR)


def test_compressed_file_is_sent_if_accepted(front: Front) -> None:
    size = (front.directory / "files" / f"{HASHED}.gz").stat().st_size
    answer = front.get(f"/{HASHED}", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == size
    assert answer.headers["vary"].lower() == "accept-encoding"
    assert answer.text == "export default 1;\n" * 200


def test_unhashed_file_is_cached_for_minutes(front: Front) -> None:
    assert front.get("/static/icon.svg").headers["cache-control"] == "public, max-age=300"


def test_file_of_another_release_comes_from_its_server(front: Front) -> None:
    answer = front.get("/static/assets/other-12345678.js?x=1")
    assert answer.status_code == 200
    assert answer.json()["path"] == "/static/assets/other-12345678.js"
    assert answer.headers["cache-control"] == YEAR


def test_missing_file_is_404_and_not_cached(front: Front) -> None:
    answer = front.get("/static/assets/gone-12345678.js")
    assert answer.status_code == 404
    assert "cache-control" not in answer.headers
    assert "Nothing here" in answer.text


def test_nothing_outside_the_folder_is_served(front: Front) -> None:
    for path in (
        "/static/../errors/404.html",
        "/static/%2e%2e/errors/404.html",
        "/errors/404.html",
        "/static/../../log",
    ):
        answer = front.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 400")), path
