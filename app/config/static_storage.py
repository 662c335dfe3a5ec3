"""Where `collectstatic` puts files, each with its .gz beside it."""

from __future__ import annotations

from typing import Any

from whitenoise.compress import Compressor
from whitenoise.storage import CompressedStaticFilesStorage


class GzipStorage(CompressedStaticFilesStorage):
    """Compresses files with gzip only: our nginx serves no .br files.

    They were made only where tools of development brought brotli, in 15 s of a core.
    """

    def create_compressor(self, **options: Any) -> Compressor:
        return Compressor(use_brotli=False, **options)
