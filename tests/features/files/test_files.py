"""Files on a running server: upload, message, reading, who may."""

import asyncio
import os
import secrets
from typing import Any

import httpx
import pytest

from tests.conftest import Connect, StartServer
from tests.features.files.samples import HTML, SVG, picture, upload, uploaded
from tests.support.api import anonymous, assert_problem, session_cookie, signed_in, with_token
from tests.support.chat_client import Account, ChatClient, Refused, create_room, sign_up
from tests.support.server import Server
from tests.support.shapes import assert_shape

NOBODYS = "0" * 32


async def send(chat: ChatClient, room: str, *files: dict[str, Any], text: str = "", key: str = "") -> dict[str, Any]:
    return await chat.request(
        "message.send", room=room, text=text, key=key or secrets.token_hex(8), files=[file["id"] for file in files]
    )


async def test_message_carries_its_files_and_all_members_read_them(
    server: Server, connect: Connect, ada: Account, bob: Account, room: str
) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await mine.join(room)
    await theirs.join(room)
    async with with_token(server.base_url, ada) as http, with_token(server.base_url, bob) as other:
        data = picture(size=(800, 600))
        first, second = await uploaded(http, room, data, "../boat.png"), await uploaded(http, room, b"one\n", "list.txt")
        assert first["name"] == "boat.png"
        assert (first["size"], first["type"], first["width"], first["height"]) == (len(data), "image/png", 800, 600)
        assert set(second) == {"id", "name", "size", "type", "url"}
        assert (await other.get(first["url"])).status_code == 404
        assert (await http.get(first["url"])).content == data
        sent = await send(mine, room, first, second)
        event = await theirs.expect("message", seq=sent["seq"])
        assert (event["text"], event["files"]) == ("", [first, second])
        assert_shape(event)
        answer = await other.get(first["url"])
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, data, "image/png")
        thumbnail = await other.get(first["thumbnail"])
        assert (thumbnail.headers["content-type"], thumbnail.content[8:12]) == ("image/webp", b"WEBP")
        page = (await other.get(f"/api/rooms/{room}/messages")).json()["messages"]
        assert page[-1]["files"] == [first, second]
        replay = await theirs.catch_up(room, after=0)
        assert replay[-1]["files"] == [first, second]


async def test_edit_keeps_the_files_and_a_deletion_does_not(server: Server, connect: Connect, ada: Account, room: str) -> None:
    chat = await connect(ada)
    await chat.join(room)
    async with with_token(server.base_url, ada) as http:
        file = await uploaded(http, room, picture())
        sent = await send(chat, room, file, text="before")
        await chat.request("message.edit", room=room, target=sent["seq"], text="after", key="edit")
        (message,) = (await http.get(f"/api/rooms/{room}/messages")).json()["messages"]
        assert (message["text"], message["files"]) == ("after", [file])
        answer = await chat.request("message.send", room=room, text="so", key="reply", reply_to=sent["seq"])
        assert answer["seq"] == 3
        await chat.request("message.delete", room=room, target=sent["seq"], key="delete")
        message = (await http.get(f"/api/rooms/{room}/messages")).json()["messages"][0]
        assert (message["deleted"], "files" in message) == (True, False)
        for url in (file["url"], file["thumbnail"]):
            assert_problem(await http.get(url), 404, "no_such_target")


async def test_quote_of_a_message_without_text_names_its_files(server: Server, connect: Connect, ada: Account, room: str) -> None:
    chat = await connect(ada)
    await chat.join(room)
    async with with_token(server.base_url, ada) as http:
        sent = await send(chat, room, await uploaded(http, room, picture(), "boat.png"))
    await chat.request("message.send", room=room, text="nice", key="reply", reply_to=sent["seq"])
    event = await chat.expect("message", text="nice")
    assert event["reply_to"]["text"] == "boat.png"


async def test_same_key_is_the_same_message(server: Server, connect: Connect, ada: Account, room: str) -> None:
    chat = await connect(ada)
    async with with_token(server.base_url, ada) as http:
        file = await uploaded(http, room, picture())
        first = await send(chat, room, file, key="one")
        again = await send(chat, room, file, key="one")
        assert (again["seq"], again["duplicate"]) == (first["seq"], True)
        with pytest.raises(Refused, match=r"bad_frame.*one message"):
            await send(chat, room, file, key="two")
        with pytest.raises(Refused, match=r"bad_frame.*twice"):
            other = await uploaded(http, room, picture())
            await send(chat, room, other, other)


async def test_message_takes_only_ones_own_files_of_the_room(
    server: Server, connect: Connect, ada: Account, bob: Account, room: str
) -> None:
    elsewhere = await create_room(server.base_url, ada)
    mine, theirs = await connect(ada), await connect(bob)
    await theirs.join(room)
    async with with_token(server.base_url, ada) as http:
        file, far = await uploaded(http, room, picture()), await uploaded(http, elsewhere, picture())
    with pytest.raises(Refused, match="no_such_target"):
        await send(theirs, room, file)
    with pytest.raises(Refused, match="no_such_target"):
        await send(mine, room, far)
    with pytest.raises(Refused, match="no_such_target"):
        await send(mine, room, {"id": NOBODYS})
    for wrong in ("x", ["x"], [NOBODYS] * 11, [1], [f"../{NOBODYS[3:]}"]):
        with pytest.raises(Refused, match="bad_frame"):
            await mine.request("message.send", room=room, text="x", key=secrets.token_hex(4), files=wrong)
    with pytest.raises(Refused, match="empty"):
        await mine.request("message.send", room=room, text=" ", key="empty", files=[])
    await send(mine, room, file)


async def test_who_may_upload_and_read(server: Server, connect: Connect, ada: Account, bob: Account) -> None:
    """Nobody but members; a removed one no more; by token and by cookie."""
    room = await create_room(server.base_url, ada, private=True)
    mine = await connect(ada)
    base = server.base_url
    async with (
        with_token(base, ada) as http,
        with_token(base, bob) as other,
        anonymous(base) as signed_out,
        anonymous(base) as browser,
    ):
        file = await uploaded(http, room, picture())
        await send(mine, room, file)
        urls = (file["url"], file["thumbnail"])
        for url in urls:
            assert_problem(await signed_out.get(url), 401, "unauthenticated")
            assert_problem(await other.get(url), 404, "no_such_target")
        assert_problem(await upload(signed_out, room, picture()), 401, "unauthenticated")
        assert_problem(await upload(other, room, picture()), 403, "not_a_member")
        assert_problem(await upload(http, "nowhere-at-all", picture()), 404, "no_such_room")
        assert_problem(await other.get(f"/api/rooms/{room}/files"), 403, "not_a_member")
        await http.post(f"/api/rooms/{room}/members", json={"user": bob.id})
        assert [(await other.get(url)).status_code for url in urls] == [200, 200]
        theirs = await uploaded(other, room, picture())
        await http.delete(f"/api/rooms/{room}/members/{bob.id}")
        assert [(await other.get(url)).status_code for url in (*urls, theirs["url"])] == [404, 404, 404]
        await signed_in(browser, ada)
        cookie = session_cookie(browser)
        assert (await browser.get(file["url"])).status_code == 200
        assert (await upload(browser, room, picture())).status_code == 201
        form = {"file": ("a.png", picture(), "image/png")}
        assert_problem(await signed_out.post(f"/api/rooms/{room}/files", files=form, headers=cookie), 403, "forbidden")


async def test_list_of_a_room_has_pages(server: Server, connect: Connect, ada: Account, room: str) -> None:
    chat = await connect(ada)
    async with with_token(server.base_url, ada) as http:
        files = [await uploaded(http, room, b"x", f"{number}.txt") for number in range(5)]
        await uploaded(http, room, b"unsent", "unsent.txt")
        sent = [await send(chat, room, file) for file in files]
        await chat.request("message.delete", room=room, target=sent[2]["seq"], key="delete")
        first = (await http.get(f"/api/rooms/{room}/files", params={"limit": 3})).json()
        assert [file["name"] for file in first["files"]] == ["4.txt", "3.txt", "1.txt"]
        assert (first["more"], first["files"][0]["seq"], first["files"][0]["from"]["name"]) == (True, sent[4]["seq"], ada.name)
        params = {"limit": 3, "before": first["files"][-1]["id"]}
        second = (await http.get(f"/api/rooms/{room}/files", params=params)).json()
        assert ([file["name"] for file in second["files"]], second["more"]) == (["0.txt"], False)
        assert_problem(await http.get(f"/api/rooms/{room}/files", params={"before": NOBODYS}), 404, "no_such_target")
        assert (await http.get("/api/files")).json() == {"size": 25 * 2**20, "count": 10}


async def test_search_finds_messages_with_files(server: Server, connect: Connect, ada: Account, bob: Account) -> None:
    room = await create_room(server.base_url, ada, private=True)
    chat, stranger = await connect(ada), await connect(bob)
    async with with_token(server.base_url, ada) as http:
        files = [await uploaded(http, room, b"x", f"{name}.txt") for name in ("plan", "other", "gone")]
    await send(chat, room, files[0], text="the budget")
    await chat.send(room, "the budget without a file")
    await send(chat, room, files[1])
    await chat.request("message.delete", room=room, target=(await send(chat, room, files[2]))["seq"], key="gone")

    async def texts(query: str) -> list[str]:
        found = await chat.request("search", query=query, room=room)
        return [one["text"] for one in found["results"]]

    assert await texts("has:file") == ["other.txt", "the budget"]
    assert await texts("has:file budget") == ["the budget"]
    assert await texts(f"has:file from:{bob.name}") == []
    assert (await stranger.request("search", query="has:file"))["results"] == []


@pytest.mark.parametrize(("data", "name"), [(HTML, "page.html"), (HTML, "a.png"), (SVG, "a.svg"), (SVG, "a.png")])
async def test_nothing_that_runs_is_shown_inline(server: Server, ada: Account, room: str, data: bytes, name: str) -> None:
    async with with_token(server.base_url, ada) as http:
        file = await uploaded(http, room, data, name)
        assert "thumbnail" not in file
        headers = (await http.get(file["url"])).headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"].startswith("attachment;")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers.get_list("content-security-policy") == ["default-src 'none'; sandbox; frame-ancestors 'none'"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"].startswith("private")


# More than the numbers of any file have digits.
ZEROS = "0" * 30


async def test_ranges_and_validators(server: Server, ada: Account, room: str) -> None:
    data = bytes(range(256)) * 2_000
    async with with_token(server.base_url, ada) as http:
        url = (await uploaded(http, room, b"OggS" + data, "a.ogg"))["url"]
        whole = b"OggS" + data
        head = await http.head(url)
        assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(whole)), b"")
        tag = head.headers["etag"]
        head = await http.head(url, headers={"Range": "bytes=0-9"})
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole)))
        assert (head.headers["accept-ranges"], head.headers["content-disposition"][:7]) == ("bytes", "inline;")

        async def part(asked: str, **headers: str) -> httpx.Response:
            return await http.get(url, headers={"Range": asked, **headers})

        for asked, wanted in {
            "bytes=0-9": whole[:10], "bytes=100-": whole[100:], "bytes=-5": whole[-5:], "bytes=10-99999999": whole[10:],
            f"bytes={ZEROS}3-{ZEROS}7": whole[3:8], f"bytes=-{ZEROS}5": whole[-5:], f"bytes={ZEROS}-{ZEROS}": whole[:1],
            f"bytes=5-{'9' * 200}": whole[5:], f"bytes=-{'9' * 200}": whole, "Bytes= , 0-9 ,": whole[:10], "bytes=0-": whole,
        }.items():  # fmt: skip
            answer = await part(asked)
            assert (answer.status_code, answer.content) == (206, wanted)
            assert answer.headers["content-range"].endswith(f"/{len(whole)}")
        for asked in ("bytes=9999999-", f"bytes={'9' * 200}-", f"bytes=-{ZEROS}"):
            behind = await part(asked)
            assert_problem(behind, 416, "bad_range")
            assert behind.headers["content-range"] == f"bytes */{len(whole)}"
        for ignored in (
            "bytes=5-2",
            "bytes=0-1,4-5",
            "lines=1-2",
            "bytes=-",
            "bytes=1 0-20",
            "bytes=1- 2",
            f"bytes=9{ZEROS}-{ZEROS}9",
        ):
            answer = await part(ignored)
            assert (answer.status_code, answer.content) == (200, whole)
        changed = await part("bytes=0-9", **{"If-Range": '"other"'})
        assert changed.status_code == 200
        same = await http.get(url, headers={"If-None-Match": f'"x", W/{tag}'})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        assert (await http.get(url, headers={"If-None-Match": "*"})).status_code == 304


async def test_forms_that_are_wrong_are_refused(server: Server, ada: Account, room: str) -> None:
    path = f"/api/rooms/{room}/files"
    form = {"content-type": "multipart/form-data; boundary=b"}
    one = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n'
    async with with_token(server.base_url, ada) as http:
        for body, headers in [
            (b"x", {}),
            (b"{}", {"content-type": "application/json"}),
            (b"", form),
            (b"--b--\r\n", form),
            (one, form),
            (one + one + b"--b--\r\n", form),
            (one.replace(b'; filename="a"', b"") + b"--b--\r\n", form),
            (b"nothing of it", form),
            (one.replace(b"--b", b"--c") + b"--c--\r\n", form),
        ]:
            assert_problem(await http.post(path, content=body, headers=headers), 400, "bad_frame")
        assert_problem(
            await http.post(path, content=one.replace(b"\r\n\r\nx", b"\r\n\r\n") + b"--b--\r\n", headers=form), 400, "empty"
        )
        assert (await http.post(path, content=one + b"--b--\r\n", headers=form)).status_code == 201
    left = [path.name for path in (server.data_dir / "files" / "incoming").iterdir()]
    assert left == []


@pytest.mark.once  # each worker counts all files by itself, every 20 s
async def test_limits(start_server: StartServer) -> None:
    own = start_server(LIMIT_FILE_MB="1", LIMIT_FILES_MB_PER_DAY="2", LIMIT_FILES_TOTAL_MB="4")
    ada, bob = await sign_up(own.base_url), await sign_up(own.base_url)
    room = await create_room(own.base_url, ada)
    mib = 2**20

    async def chunks(size: int) -> Any:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(size // 16_384):
            yield b"x" * 16_384
        yield b"\r\n--b--\r\n"

    form = {"content-type": "multipart/form-data; boundary=b"}
    async with with_token(own.base_url, ada) as http, with_token(own.base_url, bob) as other:
        path = f"/api/rooms/{room}/files"
        assert_problem(await upload(http, room, b"x" * (mib + 1), "big"), 413, "too_large")
        assert_problem(await http.post(path, content=chunks(mib + 16_384), headers=form), 413, "too_large")
        assert (await http.post(path, content=chunks(mib), headers=form)).status_code == 201
        assert (await upload(http, room, b"x" * mib, "full")).status_code == 201
        assert_problem(await upload(http, room, b"x", "small"), 429, "rate_limited")
        private = await create_room(own.base_url, bob)
        assert [(await upload(other, private, b"x" * mib)).status_code for _ in range(2)] == [201, 201]
        cleo = await sign_up(own.base_url)
        third = await create_room(own.base_url, cleo)
        async with with_token(own.base_url, cleo) as http_of_cleo:
            assert_problem(await upload(http_of_cleo, third, b"x"), 507, "no_space")
    assert list((own.data_dir / "files" / "incoming").iterdir()) == []
    stored = [path for path in (own.data_dir / "files").rglob("*") if path.is_file()]
    assert len(stored) == 4


async def test_upload_that_is_cut_leaves_nothing(server: Server, ada: Account, room: str) -> None:
    folder = server.data_dir / "files" / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = (
        f"POST /api/rooms/{room}/files HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Token {ada.token}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 900000\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    )
    writer.write(head.encode() + b"x" * 400_000)
    await writer.drain()
    async with asyncio.timeout(10):
        while not any(path.stat().st_size for path in folder.iterdir()):  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.02)
        writer.close()
        while list(folder.iterdir()):  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.02)
    del reader


async def test_killed_server_keeps_acknowledged_files_cleans_others(start_server: StartServer) -> None:
    own = start_server()
    ada = await sign_up(own.base_url)
    room = await create_room(own.base_url, ada)
    data = picture()
    async with with_token(own.base_url, ada) as http:
        file = await uploaded(http, room, data)
    folder = own.data_dir / "files"
    (folder / "incoming" / "ab").write_bytes(b"half")
    own.kill()
    own.start()
    async with ChatClient(own.ws_url(), ada) as chat:
        sent = [await send(chat, room, file, key="once") for _ in range(2)]
        assert [(one["seq"], one["duplicate"]) for one in sent] == [(1, False), (1, True)]
    async with with_token(own.base_url, ada) as http:
        assert (await http.get(file["url"])).content == data
        os.utime(folder / "incoming" / "ab", (1, 1))
        own.shell("from features.files.cleaning import files_clean\nassert files_clean() == 1")
        assert (await http.get(file["url"])).content == data
    assert not (folder / "incoming" / "ab").exists()


@pytest.mark.parametrize("path", ["/api/thumbnails/made-up", f"/api/files/{NOBODYS}/x", "/api/hooks/made-up"])
async def test_made_up_addresses_wait_like_refusals(start_server: StartServer, path: str) -> None:
    """Pictures have a rate of their own, hooks no account.

    Errors would take the worker's core.
    """
    server = start_server(LIMIT_CALLS_PER_S="10")
    loop = asyncio.get_running_loop()
    async with with_token(server.base_url, await sign_up(server.base_url)) as http:
        begun = loop.time()
        answers = [http.post(path, json={"text": "x"}) if "hooks" in path else http.get(path) for _ in range(60)]
        assert {answer.status_code for answer in await asyncio.gather(*answers)} <= {400, 404}
        # At once: 2 s of the rate. The last ones wait for the longest time, a second.
        assert loop.time() - begun > 0.9
