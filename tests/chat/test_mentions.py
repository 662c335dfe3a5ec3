"""Names in a message, and whose members they are."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from chat.mentions import MOST, MOST_READINGS, mentioned, names_in
from db import batch_loader, database
from rooms.models import Membership, Role
from tests.chat.world import World


@given(st.text(alphabet=st.sampled_from("ab @.-_\n+é"), max_size=80))
def test_each_name_has_readings_that_begin_where_it_is_written(text: str) -> None:
    names = names_in(text)
    assert len(names) <= MOST
    for keys in names:
        assert all(keys)
        assert all(longer.startswith(shorter) for longer, shorter in pairwise(keys))
        assert f"@{keys[-1]}" in text.casefold()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("hi @Ada.", [["ada.", "ada"]]),
        ("@ada, (@bob) @ada", [["ada"], ["bob"]]),
        ("ada@example.com @", []),
        ("@ada@bob", [["ada@bob"]]),
        ("@ada...!", [["ada...", "ada..", "ada.", "ada"]]),
        (f"@ada{'.' * 40}", [[f"ada{'.' * dots}" for dots in (40, 39, 38, 37, 36, 35, 34, 0)]]),
    ],
)
def test_names_are_read_as_people_write_them(text: str, names: list[list[str]]) -> None:
    assert names_in(text) == names


def test_message_full_of_names_and_dots_asks_for_few() -> None:
    """One message asked for 1,300 names, and took the event loop 10 ms."""
    names = names_in("".join(f" @é{number:03}{'.' * 60}" for number in range(150)))
    assert len(names) == MOST
    assert sum(map(len, names)) == MOST * MOST_READINGS


@pytest.mark.django_db(transaction=True)
async def test_only_members_are_named(world: World) -> None:
    def people() -> dict[str, int]:
        made = {name: User.objects.create(username=name).id for name in ("bob", "bob.", "eve")}
        for name in ("bob", "bob."):
            Membership.objects.create(room=world.models[0], user_id=made[name])
        return made

    ids, room, ada = await database.run(people), world.rooms[0].id, world.ada.id
    assert await mentioned(room, ada, "@eve @nobody @ada") == []
    assert await mentioned(room, ada, "@BOB and @bob. too") == [ids["bob"], ids["bob."]]
    assert await mentioned(room, ada, "@bob, @bob") == [ids["bob"]]
    assert await mentioned(room, ada, "@room") == [0]
    await database.run(Membership.objects.filter(room_id=room, user_id=ada).update, silenced=True)
    assert await mentioned(room, ada, "@room") == []
    await database.run(Membership.objects.filter(room_id=room, user_id=ada).update, silenced=False, role=Role.OWNER)
    await batch_loader.close()
