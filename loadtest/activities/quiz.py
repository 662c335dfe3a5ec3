"""Quizzes, one after the other.

A user makes and starts one, the others answer, the server asks and counts.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from loadtest.activities.base import Activity, Frame
from loadtest.ledger import Faults

QUIZZES = "quizzes seen to their end"
_QUESTIONS = 2
_SECONDS = 3
_CHOICES = ("red", "green", "blue", "none of them")
# Points of a right answer, at the last moment and at once.
_LEAST, _MOST = 500, 1_000


def right_of(question: str) -> int:
    """Return the right choice, which only users of this run know from the question."""
    return sum(question.encode()) * 7 % len(_CHOICES)


@dataclass
class Answers:
    """Answers of this process's users by (room, quiz, question).

    `stored` counts the acknowledged answers, `asked` all, also those whose fate is unknown.
    """

    stored: dict[tuple[str, int, int], Counter[int]] = field(default_factory=dict)
    asked: dict[tuple[str, int, int], Counter[int]] = field(default_factory=dict)


class Quiz(Activity):
    name = "quiz"
    counted = "answers"
    events = frozenset({"quiz", "quiz.asked", "quiz.answered", "quiz.revealed", "quiz.ended"})

    def __init__(self, *known: Any) -> None:
        super().__init__(*known)
        # The room's latest quiz: its seq, its state and its author.
        self._quiz = 0
        self._state: Frame = {}
        self._author = 0
        self._answered = (0, -1)

    @classmethod
    def ledger(cls) -> Answers:
        return Answers()

    def act(self, key: str, due: float) -> Frame | None:
        """Answer the open question; the author starts the quiz.

        Where no quiz runs, make one.
        """
        durable: Frame = {"room": self.room, "key": key}
        phase = self._state.get("phase", "ended")
        if phase == "ended":
            questions = [f"Which one, {key}? ({number})" for number in range(_QUESTIONS)]
            asked = [{"text": text, "choices": _CHOICES, "right": right_of(text), "seconds": _SECONDS} for text in questions]
            return {"type": "quiz.create", **durable, "title": "A quiz", "questions": asked}
        if phase == "lobby" and self._author == self.id:
            return {"type": "quiz.start", **durable, "target": self._quiz}
        question = self._state.get("question") or {}
        if phase != "asked" or self._author == self.id or self._answered == (self._quiz, question["index"]):
            return None
        self._answered = self._quiz, question["index"]
        choice = random.randrange(len(_CHOICES))
        self.shared.asked.setdefault((self.room, *self._answered), Counter())[choice] += 1
        return {"type": "quiz.answer", **durable, "target": self._quiz, "question": question["index"], "choice": choice}

    def answered(self, frame: Frame, reply: Frame) -> Faults:
        if frame["type"] == "quiz.answer":
            place = self.room, frame["target"], frame["question"]
            self.shared.stored.setdefault(place, Counter())[frame["choice"]] += 1
        return ()

    def expects(self, frame: Frame, code: str) -> bool:
        """Return whether the code is `closed`.

        An answer may come when the time is up, and two users may make or start a quiz at once.
        """
        return code == "closed"

    def on_event(self, event: Frame) -> str:
        state = event.get("state", event)
        quiz: int = event["target"] if "target" in event else event["seq"]
        if event["type"] == "quiz":
            self._author = event["from"]["id"] if quiz > self._quiz else self._author
        if quiz >= self._quiz:
            self._quiz, self._state = quiz, state
        if event["type"] == "quiz.ended":
            self.tally[QUIZZES] += 1
        return self._wrong(quiz, state)

    def _wrong(self, quiz: int, state: Frame) -> str:
        question = state["question"]
        if question is None:
            return ""
        if state["phase"] == "asked":
            early = question["right"] is not None or question["counts"] is not None or state["scores"]
            return f"{question} tells its answer before its time is up" if early else ""
        if question["right"] != right_of(question["text"]):
            return f"{question['right']} is not the right choice of {question['text']!r}"
        if sum(question["counts"]) != state["answered"]:
            return f"{question['counts']} are not the answers of {state['answered']} people"
        return self._miscounted(quiz, question) or self._misscored(state)

    def _miscounted(self, quiz: int, question: Frame) -> str:
        """Hold the counts against the answers of this process: each stored one is counted.

        Others may be of other processes.
        """
        place = self.room, quiz, question["index"]
        stored = self.shared.stored.get(place, Counter())
        short = [choice for choice, count in enumerate(question["counts"]) if count < stored[choice]]
        return f"{question['counts']} lacks stored answers {dict(stored)}" if short else ""

    @staticmethod
    def _misscored(state: Frame) -> str:
        scores = [one["score"] for one in state["scores"]]
        most = _MOST * (state["question"]["index"] + 1)
        if scores != sorted(scores, reverse=True) or any(not 0 <= score <= most for score in scores):
            return f"{scores} are no scores of {state['question']['index'] + 1} questions, the best first"
        right = state["question"]["counts"][state["question"]["right"]]
        if right and (not scores or scores[0] < _LEAST):
            return f"{right} people answered rightly, and the best has {scores[:1]} points"
        return ""
