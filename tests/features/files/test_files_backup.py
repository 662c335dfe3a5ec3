"""A backup takes files along, and a restore brings them back with their messages."""

from pathlib import Path

from tests.conftest import StartServer
from tests.features.files.samples import picture, uploaded
from tests.ops.test_backup import restored_env
from tests.support.api import with_token
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.profile import Profile
from tests.support.server import manage


async def test_restored_server_has_the_files(start_server: StartServer, profile: Profile, tmp_path: Path) -> None:
    own = start_server()
    ada = await sign_up(own.base_url)
    room = await create_room(own.base_url, ada)
    data = picture(size=(300, 200))
    async with with_token(own.base_url, ada) as http, ChatClient(own.ws_url(), ada) as chat:
        file = await uploaded(http, room, data)
        await chat.request("message.send", room=room, text="", key="k", files=[file["id"]])
        thumbnail = (await http.get(file["thumbnail"])).content
    backup = tmp_path / "backup.tar.gz"
    manage("backup", str(backup), env=own.env)
    own.stop()
    env = restored_env(own, profile, tmp_path)
    manage("restore", str(backup), env=env)
    again = start_server(**{name: env[name] for name in ("DATA_DIR", "DATABASE_URL") if name in env})
    async with with_token(again.base_url, ada) as http:
        (message,) = (await http.get(f"/api/rooms/{room}/messages")).json()["messages"]
        assert message["files"] == [file]
        assert (await http.get(file["url"])).content == data
        assert (await http.get(file["thumbnail"])).content == thumbnail
