"""Write docs/asyncapi.yaml and frontend/src/protocol.gen.ts: `make protocol`.

With --check only compare them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
ROOT = Path(__file__).resolve().parents[3]


def documents() -> dict[Path, str]:
    """Return each file's text as the installed features make it."""
    import django  # noqa: PLC0415  # the features' models need the apps

    django.setup()
    from config.protocol import asyncapi, typescript  # noqa: PLC0415
    from config.protocol.frames import frames_of  # noqa: PLC0415
    from core.features import installed  # noqa: PLC0415

    frames = frames_of(installed())
    return {
        ROOT / "docs" / "asyncapi.yaml": asyncapi.document(frames),
        ROOT / "frontend" / "src" / "protocol.gen.ts": typescript.document(frames),
    }


def main() -> int:
    stale = [file for file, text in documents().items() if not file.exists() or file.read_text() != text]
    if "--check" in sys.argv:
        for file in stale:
            print(f"{file.relative_to(ROOT)} is stale: make protocol")  # noqa: T201
        return bool(stale)
    for file, text in documents().items():
        file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
