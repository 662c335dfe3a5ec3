"""Answer only the newest question of a socket.

People ask with each letter they type.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from core.errors import Overtaken

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class NewestQuestion(Generic[Question, Answer]):
    """The questions of one socket about one thing.

    One is looked up, and the newest one waits.
    """

    def __init__(self, look_up: Callable[[Question], Awaitable[Answer]], on_overtaken: Callable[[], None]) -> None:
        self._look_up = look_up
        self._on_overtaken = on_overtaken
        self._newest: tuple[Question, asyncio.Future[Answer]] | None = None
        self._task: asyncio.Task[None] | None = None

    def ask(self, question: Question) -> asyncio.Future[Answer]:
        """Return the answer to come.

        It ends with Overtaken when a newer question comes first.
        """
        if self._newest is not None and not self._newest[1].done():
            self._on_overtaken()
            self._newest[1].set_exception(Overtaken("a newer question took its place"))
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._newest = (question, answer)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return answer

    async def _work(self) -> None:
        while self._newest is not None and not self._newest[1].done():
            question, answer = self._newest
            found: Answer | Exception
            try:
                found = await self._look_up(question)
            except Exception as error:  # noqa: BLE001  # the socket answers, or logs it
                found = error
            if answer.done():
                continue
            if isinstance(found, Exception):
                answer.set_exception(found)
            else:
                answer.set_result(found)
