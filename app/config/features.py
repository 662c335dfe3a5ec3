"""The one list of features.

Each is a package with a module `feature` that holds its FEATURE.

Only names stand here: the settings need them before Django's models can be imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

from core import features
from core.features import Feature, Installed
from core.variables import Variable

FEATURES: tuple[str, ...] = (
    "features.typing",
    "features.location",
    "features.sensors",
    "features.stream",
    "features.demo",
    "features.polls",
    "features.surveys",
    "features.quiz",
    "features.search",
    "features.webhooks",
    "features.notes",
    "features.chess",
    "features.notifications",
    "features.files",
)

# Registered the same way; never off.
CORE = ("realtime", "accounts", "changes", "switches", "rooms", "chat")


def name_of(package: str) -> str:
    return package.rpartition(".")[2]


def variables() -> Iterator[Variable]:
    """Yield the variables that features bring.

    Each feature has them in a module `variables`, which needs no Django.
    """
    for package in FEATURES:
        if find_spec(f"{package}.variables") is not None:
            yield from import_module(f"{package}.variables").VARIABLES


def install(off: frozenset[str] = frozenset()) -> None:
    """Load the features that are on.

    Raises ValueError, naming it, for what two of them bring.
    """
    from chat.kinds import KINDS  # noqa: PLC0415  # models are there only now

    found = Installed([_load(package) for package in FEATURES if name_of(package) not in off], map(_load, CORE))
    KINDS.register(*found.kinds)
    features.install(found)


def _load(package: str) -> Feature:
    found: Feature = import_module(f"{package}.feature").FEATURE
    return found
