"""Settings of shared notes."""

from __future__ import annotations

from core.variables import Variable

VARIABLES = (
    Variable("LIMIT_NOTE_BYTES", "int", "600000", "Bytes of a note with its editing history", minimum=10_000, maximum=50_000_000),
    Variable("LIMIT_NOTE_UPDATES_PER_S", "int", "20", "Updates of notes a second and person; 0 lifts it"),
)
