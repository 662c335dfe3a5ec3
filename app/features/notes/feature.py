"""Shared notes: documents that many people edit at once.

Their updates are no events; see docs/features/notes.md.
"""

from __future__ import annotations

from core.features import Feature, FrameHandler, LiveTopic, Part
from core.services import Service
from features.notes import frames, lists, services
from features.notes.api import router
from features.notes.events import NOTE
from features.notes.writer import writer


class Notes(Service):
    """Stores the queued updates before the process ends."""

    name = "notes"

    async def stop(self) -> None:
        await writer().close()


FEATURE = Feature(
    name="notes",
    events=(NOTE,),
    frames=(
        FrameHandler(frames.NoteCreate, frames.note_create, paced=False),
        FrameHandler(frames.NoteOpen, frames.note_open, reply="note.opened"),
        FrameHandler(frames.NoteUpdate, frames.note_update, paced=False),
        FrameHandler(frames.NoteClose, frames.note_close, paced=False),
        FrameHandler(frames.NoteCursor, frames.note_cursor, paced=False, reply="none"),
    ),
    sends=(frames.NoteOpened, frames.NoteUpdated),
    live=(LiveTopic("note.cursor", per_s=4, value=frames.Cursor, part=lambda key: ("note", int(key.partition(".")[0]))),),
    parts=(Part("note", heads=services.heads, read=services.read, closed=frames.closed),),
    lists=(lists.NOTES,),
    searched=(services.notes_holding,),
    routers=(("/rooms", router),),
    tasks=("features.notes.tasks.notes_compact",),
    services=(Notes,),
)
