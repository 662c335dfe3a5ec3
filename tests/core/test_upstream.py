"""Private names of other packages that the product uses still exist."""

import ast
import inspect
import re
import textwrap
from importlib import import_module
from typing import Any

import pytest

from core.upstream import RELIED_ON, Relied
from tests.support.server import ROOT

pytestmark = pytest.mark.once

BOUND = re.compile(r"<\s*[0-9]")


def missing(relied: Relied) -> list[str]:
    """Return one sentence for each missing name."""
    module, _, name = relied.owner.partition(":")
    owner: Any = getattr(import_module(module), name) if name else import_module(module)
    gone = [member for member in relied.members if not hasattr(owner, member)]
    gone += [attribute for attribute in relied.attributes if attribute not in assigned(owner)]
    return [f"{relied.package}: {relied.owner} has no {each} any more; needed for: {relied.purpose}" for each in gone]


def assigned(owner: type) -> set[str]:
    """Return the names that a class or its bases declare or assign to `self`."""
    names: set[str] = set()
    for one in owner.__mro__[:-1]:
        names |= set(vars(one)) | set(getattr(one, "__annotations__", ()))
        if one.__module__ == "builtins":
            continue
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(one)))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
    return names


@pytest.mark.parametrize("relied", RELIED_ON, ids=lambda relied: relied.owner)
def test_private_names_of_other_packages_exist(relied: Relied) -> None:
    assert missing(relied) == []


def test_missing_name_is_reported_with_its_purpose() -> None:
    planted = Relied("uvicorn", "uvicorn.server:Server", "a test", members=("serve", "serf"), attributes=("servers", "serfs"))
    assert missing(planted) == [
        "uvicorn: uvicorn.server:Server has no serf any more; needed for: a test",
        "uvicorn: uvicorn.server:Server has no serfs any more; needed for: a test",
    ]


@pytest.mark.parametrize("package", sorted({relied.package for relied in RELIED_ON}))
def test_package_with_private_names_is_capped(package: str) -> None:
    lines = (ROOT / "requirements" / "base.in").read_text().splitlines()
    (line,) = [line for line in lines if re.match(rf"{re.escape(package)}(\[[a-z,]+\])?[<>=~]", line)]
    assert BOUND.search(line.partition("#")[0]), f"requirements/base.in: {line} has no upper bound"
