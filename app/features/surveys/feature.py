from __future__ import annotations

from core.features import Feature, FrameHandler
from features.surveys import api, events, frames

FEATURE = Feature(
    name="surveys",
    events=(events.SURVEY, events.ANSWERED, events.CLOSED),
    frames=(
        FrameHandler(frames.SurveyCreate, frames.survey_create, paced=False),
        FrameHandler(frames.SurveyAnswer, frames.survey_answer, paced=False),
        FrameHandler(frames.SurveyClose, frames.survey_close, paced=False),
    ),
    routers=(("/rooms", api.router),),
)
