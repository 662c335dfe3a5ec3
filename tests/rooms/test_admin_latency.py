"""An administrator opens and deletes a room of 100,000 messages.

People chat in other rooms meanwhile.
"""

import asyncio
import re
from time import monotonic

import httpx
import pytest

from tests.support.api import anonymous, signed_in
from tests.support.chat_client import ChatClient, create_room, sign_up
from tests.support.server import Server

pytestmark = pytest.mark.integration

MESSAGES = 100_000
# It was 1.2 s for the others, and 18 s for the page.
OTHERS_WAIT_S, PAGE_S = 0.6, 5.0

FILL = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute('''
        WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {messages})
        INSERT INTO chat_event (room_id, seq, kind, author_id, key, at, text, alias, edited, deleted, reactions)
        SELECT r.id, n, 'message', {author}, 'k' || n, '2026-01-01 00:00:00+00', 'hi', '', false, false, '{{}}'
        FROM rooms_room r, number WHERE r.slug = '{room}'
    ''')
    cursor.execute("UPDATE rooms_room SET head = {messages} WHERE slug = '{room}'")
    cursor.execute("SELECT id FROM rooms_room WHERE slug = '{room}'")
    print(cursor.fetchone()[0])
"""


async def slowest(client: ChatClient, room: str, *, beside: asyncio.Task[None] | None = None, least: int = 20) -> float:
    """Return the time of the slowest send, in seconds, without the last twentieth.

    The slowest twentieth is chance on a shared machine.
    """
    took_s: list[float] = []
    while len(took_s) < least or (beside and not beside.done()):
        begun = monotonic()
        await client.send(room, "hi")
        took_s.append(monotonic() - begun)
        await asyncio.sleep(0.15)  # below LIMIT_MESSAGES_PER_S
    return sorted(took_s)[-1 - len(took_s) // 20]


async def test_others_do_not_wait_for_the_pages_of_a_large_room(server: Server) -> None:
    ada, boss = await sign_up(server.base_url), await sign_up(server.base_url)
    server.shell(f"from accounts.models import User; User.objects.filter(id={boss.id}).update(is_staff=True, is_superuser=True)")
    elsewhere, large = await create_room(server.base_url, ada), await create_room(server.base_url, boss)
    number = int(server.shell(FILL.format(messages=MESSAGES, author=boss.id, room=large)).split()[-1])
    path = f"/admin/rooms/room/{number}/"
    async with ChatClient(server.ws_url(), ada) as client, anonymous(server.base_url) as http:
        await client.join(elsewhere)
        admin = await signed_in(http, boss)
        await slowest(client, elsewhere, least=5)  # imports of the first message
        pages = asyncio.create_task(_open_and_delete(admin, path))
        slowest_s = await slowest(client, elsewhere, beside=pages)
        await pages
        assert slowest_s < OTHERS_WAIT_S
        assert (await admin.get(f"/api/rooms/{large}")).status_code == httpx.codes.NOT_FOUND


async def _open_and_delete(admin: httpx.AsyncClient, path: str) -> None:
    await _page(admin, "/admin/rooms/room/")
    await _page(admin, f"{path}change/")
    confirm = await _page(admin, f"{path}delete/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', confirm)
    assert token
    answer = await admin.post(f"{path}delete/", data={"csrfmiddlewaretoken": token[1], "post": "yes"})
    assert answer.status_code == httpx.codes.FOUND, answer.text


async def _page(admin: httpx.AsyncClient, path: str) -> str:
    begun = monotonic()
    found = await admin.get(path)
    assert found.status_code == httpx.codes.OK, (path, found.headers)
    assert monotonic() - begun < PAGE_S
    return found.text
