"""The form of a variable that an operator can set.

config/variables.py has the table; features bring their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

# origin: a browser's Origin; origins: several; host: a name or address to listen on; networks: addresses and networks, separated
# by commas; a relative path lies in the checkout.
Kind = Literal["text", "secret", "int", "bool", "list", "url", "origin", "origins", "host", "networks", "path", "choice"]
Scope = Literal["app", "script", "compose"]


class Variable(NamedTuple):
    name: str
    kind: Kind
    default: str | None
    help: str
    scope: Scope = "app"
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = 10**9
    # The directive of the content security policy that allows the address's origin, where pages load from it.
    csp: str = ""


def refuse_doubled(variables: Iterable[Variable]) -> None:
    """Raise ValueError, naming them, for settings that are declared twice."""
    doubled = [name for name, times in Counter(one.name for one in variables).items() if times > 1]
    if doubled:
        raise ValueError(f"declared twice: setting {', '.join(doubled)}")
