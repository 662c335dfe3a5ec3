"""The OpenAPI document: ninja's description of each call, and its possible errors."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import msgspec
from ninja import NinjaAPI

Operation = dict[str, Any]

PUBLIC = {("post", "/api/signup"), ("post", "/api/session"), ("post", "/api/token")}
# Calls that may conflict with an earlier call or another person's decision.
CONFLICTS = {
    ("post", "/api/rooms"),
    ("patch", "/api/rooms/{slug}/members/{user}"),
    ("delete", "/api/rooms/{slug}/members/{user}"),
    ("post", "/api/leave"),
}
# Calls with a person or a room in their body.
NAMING = {("post", "/api/blocks"), ("post", "/api/leave")}

DESCRIPTIONS = {
    400: "The request is wrong: `invalid` (fields in `errors`), `bad_json`, `bad_frame`",
    401: "No credentials, or wrong ones: `unauthenticated`",
    403: "Not allowed: `forbidden`, `not_a_member`, `signup_closed`",
    404: "Nothing of that name: `no_such_room`, `no_such_target`, `not_found`",
    408: "The upload stood still: `too_slow`",
    409: "It is so already, or the room would have no owner: `taken`, and the codes of leaving",
    412: "The header `Hubbub-User` names another person than the credentials: `other_user`",
    413: "The body is above 1 MiB: `too_large`",
    414: "The address is above 8,192 bytes: `too_large`",
    416: "The range begins behind the end: `bad_range`; `Content-Range` says where that is",
    429: "Too often: `rate_limited`; `Retry-After` says when again",
    500: "A fault of the server: `internal`",
    503: "A part of the server is away: `unavailable`; `Retry-After` says when again",
    507: "The server takes no more files: `no_space`",
}
PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
    },
}
RETRY_AFTER = {"Retry-After": {"description": "seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}}}
SECURITY = {
    "token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Token <token>"},
    "session": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
}


class DocumentedAPI(NinjaAPI):
    """An API whose document includes errors and authentication."""

    def get_openapi_schema(self, **options: Any) -> Any:
        document = super().get_openapi_schema(**options)
        document["components"].setdefault("schemas", {})["Problem"] = PROBLEM
        document["components"]["securitySchemes"] = SECURITY
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if (answer := operation.pop("x-answer", None)) is not None:
                    status, kind = answer
                    _add_answer(operation, status, kind, document["components"]["schemas"])
                _complete(method, path, operation)
        return document


def _add_answer(operation: Operation, status: int, kind: Any, components: dict[str, Any]) -> None:
    """Describe an answer that core.api_types.answers names."""
    schema: dict[str, Any] = {"type": "string"}
    if not isinstance(kind, str):
        (schema,), found = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
        for name, one in found.items():
            if components.setdefault(name, one) != one:
                raise ValueError(f"two schemas are called {name}")
    content = {kind if isinstance(kind, str) else "application/json": {"schema": schema}}
    operation["responses"][status] = {"description": HTTPStatus(status).phrase, "content": content}


def _complete(method: str, path: str, operation: Operation) -> None:
    # A call may say by itself that it needs no credentials.
    if (method, path) not in PUBLIC:
        operation.setdefault("security", [{"token": []}, {"session": []}])
    for status in (*_errors(method, path, operation), *operation.pop("x-refuses", ())):
        operation["responses"][status] = _problem(status)


def _errors(method: str, path: str, operation: Operation) -> Iterator[int]:
    """Yield the error statuses of an operation."""
    call = (method, path)
    room = path.startswith("/api/rooms/") or any(one["name"] == "room" for one in operation.get("parameters", ()))
    if operation.get("parameters") or "requestBody" in operation:
        yield 400
    if call != ("post", "/api/signup") and operation.get("security") != []:
        yield 401
    if room or method != "get":  # includes an unsafe call by cookie without its CSRF token
        yield 403
    if room or "{" in path or call in NAMING or call == ("post", "/api/frames"):
        yield 404
    if call in CONFLICTS:
        yield 409
    if call not in PUBLIC and operation.get("security") != []:
        yield 412
    if "requestBody" in operation:
        yield 413
    if operation.get("parameters"):
        yield 414
    yield from (429, 500, 503)


def _problem(status: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    found: dict[str, Any] = {"description": DESCRIPTIONS[status], "content": content}
    # An exhausted quota says when to retry; a person with too many rooms must leave one first.
    return found | {"headers": RETRY_AFTER} if status in {429, 503} else found
