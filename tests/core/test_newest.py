"""Only the newest question is answered."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import Overtaken
from core.newest import NewestQuestion

pytestmark = pytest.mark.once


async def test_one_question_is_looked_up_and_the_newest_waits() -> None:
    asked: list[str] = []
    overtaken: list[int] = []
    go = asyncio.Event()

    async def look_up(question: str) -> str:
        asked.append(question)
        await go.wait()
        if question == "wrong":
            raise ValueError(question)
        return question.upper()

    newest = NewestQuestion(look_up, lambda: overtaken.append(1))
    first = newest.ask("a")
    await asyncio.sleep(0)
    second, third = newest.ask("ab"), newest.ask("abc")
    go.set()
    assert await third == "ABC"
    for answer in (first, second):
        with pytest.raises(Overtaken):
            await answer
    assert asked == ["a", "abc"]
    assert len(overtaken) == 2
    with pytest.raises(ValueError, match="wrong"):
        await newest.ask("wrong")
    assert await newest.ask("again") == "AGAIN"
