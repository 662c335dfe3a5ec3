"""Settings of uploaded files."""

from __future__ import annotations

from core.variables import Variable

VARIABLES = (
    Variable("LIMIT_FILE_MB", "int", "25", "MiB of one uploaded file, in the app and in nginx", minimum=1, maximum=10_000),
    Variable("LIMIT_FILES_MB_PER_DAY", "int", "1000", "MiB of files that a person may upload a day; 0 lifts it"),
    Variable("LIMIT_FILES_TOTAL_MB", "int", "20000", "MiB that all files together may take on the disk; 0 lifts it"),
)
