"""Sent after the commit, when a person is shut out, deleted or renamed.

`sender` is User, `user` the person's id.
"""

from __future__ import annotations

from django.dispatch import Signal

shut_out = Signal()
deleted = Signal()
renamed = Signal()
