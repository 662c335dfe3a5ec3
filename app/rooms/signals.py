"""Sent when rooms were closed for good.

`sender` is Room.
"""

from __future__ import annotations

from django.dispatch import Signal

rooms_closed = Signal()
