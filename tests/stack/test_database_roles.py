"""Database roles of the stack: the app only writes rows."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.stack import Stack, copy_checkout
from tests.support.chat_client import ChatClient, sign_up

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

SECRETS = "SECRET_KEY={0}\nPOSTGRES_PASSWORD={0}\nREDIS_PASSWORD={0}".format(
    "an-older-installation-0123456789-0123456789-abcdefghi"
)


@pytest.fixture
def one_role(tmp_path: Path) -> Iterator[Stack]:
    """A stack with an .env from before the database had an owner role."""
    copy_checkout(tmp_path)
    (tmp_path / ".env").write_text(SECRETS)
    older = Stack(tmp_path)
    try:
        older.up()
        yield older
    finally:
        older.remove()


def as_app(stack: Stack, statement: str) -> str:
    """Run a statement over web's own DATABASE_URL; return the database's answer."""
    code = f"from django.db import connection; c = connection.cursor(); c.execute({statement!r}); print(c.fetchall())"
    answer = stack.exec("web", "python", "app/manage.py", "shell", "-c", code)
    return answer.stdout + answer.stderr


def owners(stack: Stack) -> set[str]:
    statement = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    return set(stack.exec("postgres", "psql", "-tAU", "postgres", "-d", "hubbub", "-c", statement).stdout.split())


def app_writes_rows_only(stack: Stack) -> None:
    assert owners(stack) == {"hubbub_owner"}
    for statement in ("CREATE TABLE tried ()", "ALTER TABLE rooms_room ADD COLUMN tried int", "DROP TABLE chat_event"):
        assert re.search("permission denied|must be owner", as_app(stack, statement)), statement
    assert "[('hubbub', False)]" in as_app(stack, "SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user")
    for service in ("web", "worker"):
        assert "hubbub_owner" not in stack.exec(service, "sh", "-c", "printenv; cat /run/secrets/*").stdout


async def people_chat(stack: Stack) -> None:
    ada, bob = await sign_up(stack.url), await sign_up(stack.url)
    async with ChatClient(stack.ws("/ws/"), ada) as here, ChatClient(stack.ws("/ws/"), bob) as there:
        await here.join("lobby")
        await there.join("lobby")
        sent = await here.send("lobby", "to everybody")
        await there.expect("message", seq=sent["seq"])


async def test_app_of_a_new_stack_writes_rows_only(stack: Stack) -> None:
    app_writes_rows_only(stack)
    await people_chat(stack)


@pytest.mark.drill
async def test_database_of_an_older_stack_gets_an_owner(one_role: Stack) -> None:
    stack = one_role
    assert owners(stack) == {"hubbub"}
    for _ in range(2):
        answer = stack.script("postgres-role")
        assert answer.returncode == 0, answer.stderr
    env = (stack.directory / ".env").read_text()
    assert len(re.findall(r"^POSTGRES_OWNER_PASSWORD=[A-Za-z0-9]{43}$", env, re.MULTILINE)) == 1
    app_writes_rows_only(stack)
    rolled = stack.script("roll", "--force")
    assert rolled.returncode == 0, rolled.stderr
    app_writes_rows_only(stack)
    await people_chat(stack)
