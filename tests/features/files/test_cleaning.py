"""The background worker removes invisible files."""

import os
import secrets
from time import time
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.features.files.samples import picture, uploaded
from tests.support.api import with_token
from tests.support.chat_client import ChatClient, Refused, create_room, sign_up

CLEAN = """
from datetime import timedelta
from features.files.cleaning import files_clean
assert files_clean(kept=timedelta({kept})) == {number}, "removed"
"""


# One after the other they cover all directories.
EIGHT_RUNS = """
import time
from features.files import cleaning
for run in range(8):
    cleaning.time = type("time", (), {"time": lambda: run * cleaning.EVERY_S})
    cleaning.files_clean()
"""


async def test_files_without_readers_go_and_all_others_stay(start_server: StartServer) -> None:
    own = start_server()
    ada = await sign_up(own.base_url)
    room, closed = await create_room(own.base_url, ada), await create_room(own.base_url, ada)
    folder = own.data_dir / "files"
    async with with_token(own.base_url, ada) as http, ChatClient(own.ws_url(), ada) as chat:
        files = {name: await uploaded(http, room, picture(), f"{name}.png") for name in ("kept", "deleted", "unsent")}
        files["closed"] = await uploaded(http, closed, picture())
        for name, place in (("kept", room), ("deleted", room), ("closed", closed)):
            key = secrets.token_hex(4)
            sent = await chat.request("message.send", room=place, text="", key=key, files=[files[name]["id"]])
            if name == "deleted":
                await chat.request("message.delete", room=room, target=sent["seq"], key="gone")

        def there() -> set[str]:
            return {name for name, file in files.items() if list(folder.rglob(f"{file['id']}*"))}

        own.shell(CLEAN.format(kept=1, number=1))
        assert there() == {"kept", "unsent", "closed"}
        own.shell(
            "from rooms.models import Membership, Room\nfrom chat.deletion import closed_rooms_delete\n"
            f"Room.objects.filter(slug={closed!r}).update(closed=True)\nassert closed_rooms_delete(paused=False) == 1"
        )
        own.shell(CLEAN.format(kept=1, number=1))
        assert there() == {"kept", "unsent"}
        own.shell(CLEAN.format(kept=0, number=1))
        assert there() == {"kept"}
        assert (await http.get(files["kept"]["url"])).status_code == 200


async def test_key_of_a_cleaned_file_is_a_duplicate(start_server: StartServer) -> None:
    own = start_server()
    ada = await sign_up(own.base_url)
    room = await create_room(own.base_url, ada)
    async with with_token(own.base_url, ada) as http, ChatClient(own.ws_url(), ada) as chat:
        file = await uploaded(http, room, picture())
        message: dict[str, Any] = {"room": room, "text": "look", "key": "one", "files": [file["id"]]}
        first = await chat.request("message.send", **message)
        await chat.request("message.delete", room=room, target=first["seq"], key="gone")
        own.shell(CLEAN.format(kept=1, number=1))
        again = await chat.request("message.send", **message)
        assert again == {**first, "re": again["re"], "duplicate": True}
        with pytest.raises(Refused, match="no_such_target"):
            await chat.request("message.send", **message | {"key": "two"})


async def test_file_whose_row_a_restore_took_away_stays_for_a_month(start_server: StartServer) -> None:
    own = start_server()
    ada = await sign_up(own.base_url)
    room = await create_room(own.base_url, ada)
    async with with_token(own.base_url, ada) as http:
        file = await uploaded(http, room, b"old")
    (stored,) = (path for path in (own.data_dir / "files").rglob(f"{file['id']}*") if path.is_file())
    own.shell("from features.files.models import Upload\nUpload.objects.all().delete()")
    for days, stays in ((29, True), (31, False)):
        os.utime(stored, (time() - days * 86_400,) * 2)
        own.shell(EIGHT_RUNS)
        assert stored.exists() == stays
