"""Load costly packages on first use.

They take megabytes and a tenth of a second, and most processes never use them.

if TYPE_CHECKING:
    import chess
else:
    chess = LazyModule("chess")
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, cast


class LazyModule:
    """A module that is loaded when an attribute of it is first asked for.

    Any thread may ask.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(import_module(self._name), attribute)
        setattr(self, attribute, value)  # found without this call from now on
        return value


@contextmanager
def without(name: str) -> Iterator[None]:
    """Hide a module from imports within this context, unless it is already loaded."""
    hidden = name not in sys.modules
    if hidden:
        sys.modules[name] = cast("ModuleType", None)  # as documented: an import of it then raises ModuleNotFoundError
    try:
        yield
    finally:
        if hidden:
            del sys.modules[name]
