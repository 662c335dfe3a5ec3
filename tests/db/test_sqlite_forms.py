"""Each form of a SQLite DATABASE_URL works for migrations and a whole server."""

from pathlib import Path

import pytest

from tests.support.chat_client import ChatClient, sign_up
from tests.support.profile import Profile
from tests.support.server import Server, manage

pytestmark = [pytest.mark.integration, pytest.mark.once]


def existing(*places: Path) -> list[Path]:
    return [place for place in places if place.exists()]


@pytest.mark.parametrize("form", ["relative", "absolute", "encoded"])
async def test_sqlite_file_lies_where_its_url_says(profile: Profile, tmp_path: Path, form: str) -> None:
    """`sqlite:///chat.db` once meant a file in the root directory."""
    name = f"own-{tmp_path.name}"
    server = Server(profile, {"REDIS_URL": "", "WEB_CONCURRENCY": "1"})
    url, file = {
        "relative": (f"sqlite:///{name}/chat.db", server.data_dir / name / "chat.db"),
        "absolute": (f"sqlite:///{tmp_path}/chat.db", tmp_path / "chat.db"),
        "encoded": (f"sqlite:///{tmp_path}/my%20chat.db", tmp_path / "my chat.db"),
    }[form]
    server.env["DATABASE_URL"] = url
    try:
        manage("migrate", "--no-input", env=server.env)
        server.start()
        ada = await sign_up(server.base_url)
        async with ChatClient(server.ws_url(), ada) as chat:
            await chat.join("lobby")
            assert (await chat.send("lobby", "hello"))["seq"] == 1
        assert existing(file, Path("/", name)) == [file]
    finally:
        server.close()
