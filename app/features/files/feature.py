"""Files in messages; see docs/features/files.md."""

from __future__ import annotations

import re

from core.features import Feature, LargeBody
from features.files import api, errors, uploads
from features.files.parts import FILES

FEATURE = Feature(
    name="files",
    message_parts=(FILES,),
    bodies=(LargeBody("POST", re.compile(r"/api/rooms/[^/]+/files"), uploads.most_bytes, uploads.WITHIN_S),),
    routers=(("/rooms", api.rooms), ("", api.router)),
    errors=(errors.TooLarge, errors.TooSlow, errors.BadRange, errors.NoSpace),
    tasks=("features.files.tasks.files_clean",),
)
