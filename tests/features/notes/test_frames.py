"""/ws/: note.create, note.open, note.update, note.close, note.cursor."""

import asyncio
import base64
import secrets
from typing import Any

from tests.conftest import Connect, StartServer
from tests.features.notes.editor import Copy, Editor, note_in, packed
from tests.support.api import with_token
from tests.support.chat_client import Account, ChatClient, Frame, code_of, create_room, sign_up
from tests.support.server import Server

NOTHING = packed(b"\0\0")


async def code(chat: ChatClient, kind: str, **fields: Any) -> str:
    return await code_of(chat.request(kind, **fields))


async def test_note_is_an_event_and_a_document(server: Server, connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    for chat in (mine, theirs):
        await chat.join(room)
    fields: Frame = {"room": room, "title": "Plan für Mai", "key": "k1"}
    stored = await mine.request("note.create", **fields)
    assert (stored["type"], stored["seq"], stored["duplicate"]) == ("stored", 1, False)
    again = await mine.request("note.create", **fields)
    assert (again["seq"], again["duplicate"]) == (1, True)
    event = await theirs.expect("note")
    assert (event["seq"], event["title"], event["from"]["id"]) == (1, "Plan für Mai", ada.id)
    first, second = Editor(mine, room, 1), Editor(theirs, room, 1)
    for editor in (first, second):
        reply = await editor.open()
        assert reply.keys() >= {"type", "re", "update", "vector"}
        assert (reply["type"], reply["update"], reply["vector"]) == ("note.opened", NOTHING, packed(b"\0"))
    await first.type("hello 👋")
    await second.until("hello 👋")
    await second.type("Oh, ", 0)
    await first.until("Oh, hello 👋")
    assert not mine.pending_frames("note.update"), "a socket needs no push of its own update"
    late = Editor(await connect(bob), room, 1)
    reply = await late.open()
    assert str(late) == "Oh, hello 👋"
    assert base64.b64decode(reply["vector"])[0] == 2, "two clients have written"
    async with with_token(server.base_url, bob) as http:
        answer = await http.get(f"/api/rooms/{room}/notes/1.md")
        assert answer.text == "Oh, hello 👋"
        assert answer.headers["content-type"].startswith("text/markdown")
        assert "Plan%20f%C3%BCr%20Mai.md" in answer.headers["content-disposition"]
        (listed,) = (await http.get(f"/api/rooms/{room}/notes", params={"query": "für"})).json()["notes"]
        assert (listed["note"], listed["title"], listed["from"]["id"]) == (1, "Plan für Mai", ada.id)
        assert (await http.get(f"/api/rooms/{room}/notes", params={"query": "june"})).json()["notes"] == []
    await theirs.request("note.close", room=room, note=1)
    await first.type("!")
    await late.until("Oh, hello 👋!")
    await theirs.request("ping")
    assert not theirs.pending_frames("note.update")


async def test_search_finds_a_note_by_title_and_text(server: Server, connect: Connect, ada: Account, room: str) -> None:
    mine, stranger = await connect(ada), await connect()
    await mine.join(room)
    word = secrets.token_hex(6)
    note = await note_in(mine, room, f"Ausflug {word}")
    await mine.send(room, f"about {word}")

    async def found(chat: ChatClient, query: str, **fields: Any) -> list[tuple[int, str]]:
        reply = await chat.request("search", **{"query": query, **fields})
        return [(one["seq"], one["text"]) for one in reply["results"]]

    assert sorted(await found(mine, word)) == [(note, f"Ausflug {word}"), (note + 1, f"about {word}")]
    editor = Editor(mine, room, note)
    await editor.open()
    await editor.type("Wir treffen uns am See. 湖边见。")
    # As the background worker does once the last editor has left.
    compact = "from features.notes.models import Document as D; from features.notes.versions import note_compact as c;"
    await asyncio.to_thread(server.shell, f"{compact} c(D.objects.get(room__slug={room!r}).id)")
    assert await found(mine, f"{word} TREFFEN")
    ((seq, text),) = await found(mine, f'{word} "am see" 湖边')
    assert (seq, text.splitlines()) == (note, [f"Ausflug {word}", "Wir treffen uns am See. 湖边见。"])
    assert await found(mine, f"{word} from:{ada.name} treffen", room=room) == [(seq, text)]
    assert await found(mine, f"{word} treffen", room=room, before=note) == []
    assert await found(mine, f"{word} treffen before:2020-01-01") == []
    assert await found(mine, f"{word} treffen has:file") == []
    assert await found(stranger, word) == []
    # A worker of an earlier release makes a snapshot, and folds no text.
    document = f"D.objects.filter(room__slug={room!r})"
    await asyncio.to_thread(server.shell, f"{compact} {document}.update(folded='old', folded_upto=-1)")
    assert await found(mine, f"{word} TREFFEN 湖边") == [(seq, text)]
    fold = f"from features.notes.versions import notes_compact; notes_compact(); {document}.get().folded_upto"
    await asyncio.to_thread(server.shell, f"{compact} {fold} == {document}.get().snapshot_upto or exit('not folded')")
    assert await found(mine, f"{word} TREFFEN 湖边") == [(seq, text)]


async def test_client_sends_only_what_the_server_lacks(connect: Connect, ada: Account, room: str) -> None:
    chat = await connect(ada)
    note = await note_in(chat, room)
    editor = Editor(chat, room, note)
    await editor.open()
    await editor.type("one ")
    offline = Copy()
    offline.apply(editor.missing(b"\0"))
    offline.write("two")
    reply = await chat.request("note.open", room=room, note=note, vector=packed(offline.doc.get_state()))
    assert len(base64.b64decode(reply["update"])) <= 12, "nothing is new to this client"
    await editor.send(offline.missing(base64.b64decode(reply["vector"])))
    fresh = Editor(chat, room, note)
    await fresh.open()
    assert str(fresh) == "one two"


async def test_refusals(connect: Connect, ada: Account, room: str) -> None:
    chat, stranger = await connect(ada), await connect()
    note = await note_in(chat, room)
    here: Frame = {"room": room, "note": note}
    good = Copy()
    good.write("x")
    table: list[tuple[ChatClient, str, Frame, str]] = [
        (stranger, "note.create", {"room": room, "title": "t", "key": "k"}, "not_a_member"),
        (stranger, "note.open", here, "not_a_member"),
        (stranger, "note.update", here | {"update": packed(good.unsent[0])}, "not_a_member"),
        (chat, "note.create", {"room": room, "title": " \u200d", "key": "k"}, "empty"),
        (chat, "note.create", {"room": room, "title": "", "key": "k"}, "empty"),
        (chat, "note.create", {"room": room, "title": "t" * 121, "key": "k"}, "too_long"),
        (chat, "note.open", {"room": room, "note": 99}, "no_such_target"),
        (chat, "note.open", here | {"vector": packed(b"\xff\xff\xff\xff\x0f\x01\x01")}, "bad_frame"),
        (chat, "note.open", here | {"vector": "not base64!"}, "bad_frame"),
        (chat, "note.update", {"room": room, "note": 99, "update": packed(good.unsent[0])}, "no_such_target"),
        (chat, "note.update", {"room": "nowhere-at-all", "note": 1, "update": NOTHING}, "no_such_room"),
        (chat, "note.update", here | {"update": packed(b"\xff" * 40)}, "bad_frame"),
        (chat, "note.update", here | {"update": ""}, "bad_frame"),
        (chat, "note.update", here | {"update": packed(b"x" * 131_073)}, "too_long"),
        (chat, "note.close", here, "no_such_target"),
        (chat, "note.cursor", here | {"client": 1}, "no_such_target"),
        (chat, "note.update", here | {"update": NOTHING}, ""),
    ]
    for who, kind, fields, expected in table:
        assert await code(who, kind, **fields) == expected, (kind, fields)
    editor = Editor(chat, room, note)
    await editor.open()
    assert str(editor) == ""


async def test_random_bytes_harm_nobody(connect: Connect, ada: Account, room: str) -> None:
    """The bytes are a real update, damaged.

    Most are refused, and the note stays readable in any case.
    """
    chat = await connect(ada)
    note = await note_in(chat, room)
    editor = Editor(chat, room, note)
    await editor.open()
    await editor.type("there before")
    sound = editor.missing(b"\0")
    for number in range(40):
        damaged = bytearray(sound)
        damaged[number * 7 % len(sound)] ^= 1 << number % 8
        assert await code(chat, "note.update", room=room, note=note, update=packed(bytes(damaged))) in {"", "bad_frame"}
    fresh = Editor(chat, room, note)
    await fresh.open()
    assert "before" in str(fresh)


async def test_note_has_a_largest_size(start_server: StartServer) -> None:
    server = start_server(LIMIT_NOTE_BYTES="10000", LIMIT_NOTE_UPDATES_PER_S="0")
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as chat:
        note = await note_in(chat, room)
        editor = Editor(chat, room, note)
        await editor.open()
        await editor.type("x" * 9_000)
        editor.write("y" * 2_000)
        assert await code(chat, "note.update", room=room, note=note, update=packed(editor.unsent[0])) == "too_long"
        fresh = Editor(chat, room, note)
        await fresh.open()
        assert str(fresh) == "x" * 9_000


async def test_full_note_takes_deletions_and_smaller_versions(start_server: StartServer) -> None:
    server = start_server(LIMIT_NOTE_BYTES="10000", LIMIT_NOTE_UPDATES_PER_S="0")
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    compact = "from features.notes.models import Document as D; from features.notes.versions import note_compact as c;"
    compact += f"c(D.objects.get(room__slug={room!r}).id, version=True)"
    async with ChatClient(server.ws_url(), ada) as chat, with_token(server.base_url, ada) as http:
        note = await note_in(chat, room)
        here: Frame = {"room": room, "note": note}
        editor = Editor(chat, room, note)
        await editor.open()
        await editor.type("a" * 3_000)
        await asyncio.to_thread(server.shell, compact)
        del editor.text[0:3_000]
        await editor.type("b" * 6_000)
        await asyncio.to_thread(server.shell, compact)
        await editor.type("b" * 3_900)
        while not await code(chat, "note.update", **here, update=packed(_typed(editor, "c"))):
            pass
        # As the page: open the note anew, and send the updates that the server lacks.
        editor = Editor(chat, room, note)
        await editor.open()
        full = len(str(editor))
        del editor.text[full - 100 : full]
        await editor.flush()
        # Longer again, or no shorter: no.
        assert await code(chat, "note.update", **here, update=packed(_typed(editor, "d"))) == "too_long"
        fresh = Editor(chat, room, note)
        await fresh.open()
        assert len(str(fresh)) == full - 100
        answer = await http.post(f"/api/rooms/{room}/notes/{note}/versions/1/restore")
        assert answer.status_code == 200, answer.text
        await fresh.until("a" * 3_000)
        # Deleted text makes room once the note is compacted.
        await asyncio.to_thread(server.shell, compact)
        await fresh.type("e" * 5_000)
        assert len(str(fresh)) == 8_000


def _typed(editor: Editor, text: str) -> bytes:
    """Return the update of one key."""
    editor.write(text)
    return editor.unsent.pop()


async def test_limits_of_a_person_and_a_socket(start_server: StartServer) -> None:
    server = start_server(LIMIT_NOTE_UPDATES_PER_S="1", LIMIT_MESSAGES_PER_S="100")
    ada = await sign_up(server.base_url)
    room = await create_room(server.base_url, ada)
    async with ChatClient(server.ws_url(), ada) as chat:
        notes = [await note_in(chat, room) for _ in range(21)]
        codes = [await code(chat, "note.open", room=room, note=note) for note in notes]
        assert codes == [""] * 20 + ["too_many"]
        codes = [await code(chat, "note.update", room=room, note=notes[0], update=NOTHING) for _ in range(10)]
        assert (codes[0], codes[-1]) == ("", "rate_limited")


async def test_leaving_the_room_closes_its_notes(server: Server, connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await theirs.join(room)
    note = await note_in(mine, room)
    first, second = Editor(mine, room, note), Editor(theirs, room, note)
    await first.open()
    await second.open()
    async with with_token(server.base_url, ada) as owner:
        assert (await owner.delete(f"/api/rooms/{room}/members/{bob.id}")).status_code == 204
        assert (await owner.get(f"/api/rooms/{room}/notes/{note}.md")).status_code == 200
    await theirs.expect("room.left")
    await first.type("among ourselves")
    second.write("let me in")
    update = packed(second.unsent[0])
    assert await code(theirs, "note.update", room=room, note=note, update=update) == "not_a_member"
    assert await code(theirs, "note.open", room=room, note=note) == "not_a_member"
    assert not theirs.pending_frames("note.update")
    async with with_token(server.base_url, bob) as other:
        assert (await other.get(f"/api/rooms/{room}/notes/{note}.md")).status_code == 403


async def test_blocked_person_does_not_write(server: Server, connect: Connect, ada: Account, bob: Account) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    room = (await mine.send_to(bob.id, "hi"))["room"]
    note = await note_in(mine, room)
    editor = Editor(theirs, room, note)
    await editor.open()
    await mine.join(room)
    await mine.request("note.open", room=room, note=note)
    position = packed(b"\1\2\3")
    await theirs.push("note.cursor", room=room, note=note, client=7, anchor=position, head=position)
    assert (await mine.expect("live", topic="note.cursor"))["values"][0]["value"]["client"] == 7
    async with with_token(server.base_url, ada) as http:
        assert (await http.post("/api/blocks", json={"user": bob.id})).status_code in {200, 201, 204}
    await theirs.push("note.cursor", room=room, note=note, client=8, anchor=position, head=position)
    await theirs.request("ping")
    await mine.expect_nothing("live")
    editor.write("spam")
    assert await code(theirs, "note.update", room=room, note=note, update=packed(editor.unsent[0])) == "forbidden"


async def test_cursors_reach_those_who_have_the_note_open(connect: Connect, ada: Account, bob: Account, room: str) -> None:
    mine, theirs, joined = await connect(ada), await connect(bob), await connect(bob)
    for chat in (theirs, joined):
        await chat.join(room)
    note = await note_in(mine, room)
    for chat in (mine, theirs):
        await chat.request("note.open", room=room, note=note)
    position = packed(b"\1\2\3")
    await mine.push("note.cursor", room=room, note=note, client=7, anchor=position, head=position)
    (value,) = (await theirs.expect("live", topic="note.cursor"))["values"]
    assert value["from"] == {"id": ada.id, "name": ada.name}
    assert value["value"] == {"note": note, "client": 7, "anchor": position, "head": position}
    # A document made anew has another id: its socket's cursor before is no longer shown.
    await mine.push("note.cursor", room=room, note=note, client=8, anchor=position, head=position)
    shown: dict[str, Any] = {value["key"]: value}
    while len(shown) < 2 or shown[value["key"]]["value"] is not None:
        shown |= {one["key"]: one for one in (await theirs.expect("live", topic="note.cursor"))["values"]}
    (value,) = (one for one in shown.values() if one["value"] is not None)
    assert value["value"]["client"] == 8
    await mine.request("note.close", room=room, note=note)
    (ended,) = (await theirs.expect("live", topic="note.cursor"))["values"]
    assert (ended["key"], ended["value"]) == (value["key"], None)
    await joined.request("ping")
    assert not joined.pending_frames("live")


async def test_201_restores_leave_the_first_version(server: Server, connect: Connect, ada: Account, room: str) -> None:
    mine = await connect(ada)
    note = await note_in(mine, room)
    editor = Editor(mine, room, note)
    await editor.open()
    compact = "from features.notes.models import Document as D; from features.notes.versions import note_compact as c;"
    compact += f"c(D.objects.get(room__slug={room!r}).id, version=True)"
    for text in ("first", " second"):
        await editor.type(text)
        await asyncio.to_thread(server.shell, compact)
    async with with_token(server.base_url, ada) as http:
        base = f"/api/rooms/{room}/notes/{note}/versions"
        newest = 2
        for number in range(201):
            # The text before is kept: the one of the restore before.
            wanted = (1, newest)[number % 2]
            answer = await http.post(f"{base}/{wanted}/restore")
            assert answer.status_code == 200, answer.text
            newest = (await http.get(base, params={"limit": 1})).json()["versions"][0]["version"]
        (oldest,) = (await http.get(base, params={"before": 2})).json()["versions"]
        assert (oldest["version"], [one["id"] for one in oldest["authors"]]) == (1, [ada.id])
        assert (await http.get(f"{base}/1")).json()["text"] == "first"
        listed = (await http.get(base, params={"limit": 100})).json()["versions"]
        listed += (await http.get(base, params={"limit": 100, "before": listed[-1]["version"]})).json()["versions"]
        assert len(listed) == 200
        assert newest > 200


async def test_versions_name_their_authors_and_come_back(
    server: Server, connect: Connect, ada: Account, bob: Account, room: str
) -> None:
    mine, theirs = await connect(ada), await connect(bob)
    await theirs.join(room)
    note = await note_in(mine, room)
    first, second = Editor(mine, room, note), Editor(theirs, room, note)
    await first.open()
    await second.open()
    await first.type("good text")
    compact = "from features.notes.models import Document as D; from features.notes.versions import note_compact as c;"
    compact += f"c(D.objects.get(room__slug={room!r}).id, version=True)"
    server.shell(compact)
    await second.until("good text")
    del second.text[0:9]
    await second.type("rubbish")
    async with with_token(server.base_url, ada) as http:
        base = f"/api/rooms/{room}/notes/{note}/versions"
        (version,) = (await http.get(base)).json()["versions"]
        assert [one["id"] for one in version["authors"]] == [ada.id]
        assert (await http.get(f"{base}/{version['version']}")).json()["text"] == "good text"
        assert (await http.post(f"{base}/9/restore")).status_code == 404
        answer = await http.post(f"{base}/{version['version']}/restore")
        assert answer.status_code == 200, answer.text
        await first.until("good text")
        await second.until("good text")
        newest, _ = (await http.get(base)).json()["versions"]
        assert [one["id"] for one in newest["authors"]] == [bob.id]
        assert (await http.get(f"{base}/{newest['version']}")).json()["text"] == "rubbish"


async def test_server_starts_without_notes(start_server: StartServer) -> None:
    server = start_server(FEATURES_OFF="notes")
    ada = await sign_up(server.base_url)
    async with ChatClient(server.ws_url(), ada) as chat:
        assert "notes" not in chat.hello["features"]
        await chat.join("lobby")
        assert await code(chat, "note.create", room="lobby", title="t", key=secrets.token_hex(8)) == "unknown_type"
        assert (await chat.send("lobby", "hi"))["seq"] == 1
