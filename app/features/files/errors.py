"""Refusals of uploads."""

from __future__ import annotations

from core.errors import FrameRefused


class TooLarge(FrameRefused):
    code = "too_large"
    status = 413
    http_only = True


class TooSlow(FrameRefused):
    code = "too_slow"
    status = 408
    http_only = True


class NoSpace(FrameRefused):
    """The installation takes no more files."""

    code = "no_space"
    status = 507
    http_only = True
