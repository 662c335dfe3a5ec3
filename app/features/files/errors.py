"""Refusals of uploads."""

from __future__ import annotations

from core.errors import FrameRefused
from core.words import words as _


class TooLarge(FrameRefused):
    code = "too_large"
    status = 413
    http_only = True


class TooSlow(FrameRefused):
    code = "too_slow"
    status = 408
    http_only = True


class BadRange(FrameRefused):
    code = "bad_range"
    status = 416
    http_only = True

    def __init__(self, size: int) -> None:
        super().__init__(_("the range begins behind the end of the file"))
        self.headers = {"Content-Range": f"bytes */{size}"}


class NoSpace(FrameRefused):
    """The installation takes no more files."""

    code = "no_space"
    status = 507
    http_only = True
