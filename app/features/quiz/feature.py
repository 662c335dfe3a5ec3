from __future__ import annotations

from core.features import Feature, FrameHandler
from features.quiz import api, events, frames

FEATURE = Feature(
    name="quiz",
    events=(events.QUIZ, events.ASKED, events.ANSWERED, events.REVEALED, events.ENDED),
    frames=(
        FrameHandler(frames.QuizCreate, frames.quiz_create, paced=False),
        FrameHandler(frames.QuizStart, frames.quiz_start, paced=False),
        FrameHandler(frames.QuizAnswer, frames.quiz_answer, paced=False),
    ),
    routers=(("/rooms", api.router),),
)
