"""Bodies of the HTTP API accept no value of another type.

`false` is no number, `1` is no boolean and `0` is no time.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any, get_args

import jsonschema  # type: ignore[import-untyped]
import pytest
from ninja import Schema
from pydantic import BaseModel, ValidationError

from core.api_types import Body, Moment

pytestmark = pytest.mark.once

# Values that no field takes by mistake: of each kind of JSON, and texts that look like another kind.
ODD: list[Any] = [True, False, 0, 1, -1, 1.5, 1e308, 10**30, "", "1", "1.5", "true", "yes", "0", "2030-01-01", "x" * 200_000]
ODD += ["a\0", None, [], [1], [True], ["1"], [None], {}, {"a": 1}, [{}]]
CHECKER = jsonschema.FormatChecker()


def bodies() -> dict[str, type[BaseModel]]:
    """Each model that is read from a body, with those inside it, by name."""
    from config.api import api  # noqa: PLC0415  # needs Django's settings

    found: dict[str, type[BaseModel]] = {}
    for _, router in api._routers:
        for view in router.path_operations.values():
            for model in chain.from_iterable(operation.models for operation in view.operations):
                if model.__ninja_param_source__ == "body":
                    found |= {one.__name__: one for field in model.model_fields.values() for one in models_in(field.annotation)}
    return found


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_in(field.annotation)
    for part in get_args(annotation):
        yield from models_in(part)


def taken_wrongly(model: type[BaseModel]) -> list[tuple[str, Any]]:
    """Return the fields and values that the model takes and its schema does not."""
    schema = model.model_json_schema()
    wrong = []
    for name, described in schema["properties"].items():
        validator = jsonschema.Draft202012Validator(described | {"$defs": schema.get("$defs", {})}, format_checker=CHECKER)
        wrong += [(name, value) for value in ODD if not validator.is_valid(value) and takes(model, name, value)]
    return wrong


def takes(model: type[BaseModel], name: str, value: Any) -> bool:
    try:
        model.model_validate({name: value})
    except ValidationError as error:
        return all(one["loc"][0] != name for one in error.errors())
    return True


def test_no_body_takes_a_value_that_its_schema_refuses() -> None:
    found = bodies()
    assert {"AlarmIn", "Credentials", "PushIn", "ReadingSchema", "RoomIn"} <= found.keys()
    assert {name: wrong for name, model in found.items() if (wrong := taken_wrongly(model))} == {}


class Lax(Schema):
    number: float = 0
    sure: bool = False


class Timed(Body):
    at: Moment


def test_lax_model_is_found() -> None:
    assert {("number", True), ("number", "1"), ("sure", 1)} <= set(taken_wrongly(Lax))


@pytest.mark.parametrize("text", ["2030-01-01T00:00:00Z", "2030-01-01T02:00:00.5+02:00"])
def test_time_with_a_zone_is_taken(text: str) -> None:
    assert Timed.model_validate({"at": text}).at.tzinfo is not None


@pytest.mark.parametrize("value", ["2030-01-01T00:00:00", "2030-01-01", "1700000000", 1_700_000_000, None])
def test_time_without_a_zone_and_numbers_are_refused(value: Any) -> None:
    assert takes(Timed, "at", value) is False
