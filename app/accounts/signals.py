"""Sent when an administrator shuts a person out. `sender` is User, `user` the person's id."""

from __future__ import annotations

from django.dispatch import Signal

shut_out = Signal()
deleted = Signal()
