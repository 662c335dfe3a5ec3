""".env.example lists all settings with their defaults, and nothing else."""

import re

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env_example import render
from config.environment import Environment
from config.variables import REMOVED, RENAMED, VARIABLES
from core.variables import Variable
from tests.support.server import ROOT

pytestmark = pytest.mark.once

EXAMPLE = (ROOT / ".env.example").read_text()
ENTRY = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)


def test_env_example_is_generated_from_the_table() -> None:
    assert render() == EXAMPLE, "run: PYTHONPATH=app python -m config.env_example > .env.example"


def test_every_variable_is_listed_once_with_its_default() -> None:
    found = ENTRY.findall(EXAMPLE)
    assert dict(found) == {variable.name: variable.default or "" for variable in VARIABLES}
    assert len(found) == len(VARIABLES)


def test_env_example_sets_no_variable() -> None:
    assert not [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_every_default_is_a_valid_value(variable: Variable) -> None:
    env = Environment({variable.name: variable.default or ""})
    if variable.default is None:
        assert env.text(variable.name) is None
    elif variable.kind == "int":
        assert env.integer(variable.name) == int(variable.default)
    elif variable.kind == "bool":
        assert env.flag(variable.name) in {True, False}
    else:
        assert (env.text(variable.name) or "") == variable.default


def test_renamed_variable_names_an_existing_one() -> None:
    assert set(RENAMED.values()) <= {variable.name for variable in VARIABLES}
    for old in RENAMED:
        with pytest.raises(ImproperlyConfigured, match=RENAMED[old]):
            Environment({old: "x"})


@pytest.mark.parametrize("name", REMOVED)
def test_removed_variable_is_refused_with_its_reason(name: str) -> None:
    assert name not in {variable.name for variable in VARIABLES}
    with pytest.raises(ImproperlyConfigured, match=f"^{name} is no longer a setting: {re.escape(REMOVED[name])}; remove it$"):
        Environment({name: "turn"})
    assert Environment({name: ""}).known
