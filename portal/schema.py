"""Hooks of drf-spectacular: what the OpenAPI document of REST says beside what its views do."""

import re
from typing import Any

_FIRST_SENTENCE = re.compile(r"(.+?)(?:[.;:](?=\s|$)|$)")


def refusals(result: dict[str, Any], **further: Any) -> dict[str, Any]:  # noqa: ARG001
    """A hook of drf-spectacular: every operation may answer with a problem."""
    text = {"type": "string"}
    result["components"]["schemas"]["Problem"] = {
        "type": "object",
        "description": 'A refusal (RFC 9457). `errors` names fields, `a.b` inside others and "" for the whole, with sentences.',
        "properties": {
            "code": {**text, "description": "What it is about, for programs: it stays the same whatever the sentences become."},
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "request_id": text,
            "errors": {"type": "object", "additionalProperties": {"type": "array", "items": text}},
        },
        "required": ["type", "code", "title", "status", "detail", "request_id"],
    }
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = {"description": "A refusal.", "content": content}
    return result


def conditions(result: dict[str, Any], **further: Any) -> dict[str, Any]:  # noqa: ARG001
    """A hook of drf-spectacular: what changes something in a tenant may be sent under a key (tenants.idempotency), and only if it is still
    as it was read (tenants.preconditions).
    """
    key = {
        "in": "header",
        "name": "Idempotency-Key",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        "description": "Sent again with the same key, the change is done once and answered as it was.",
    }
    match = {
        "in": "header",
        "name": "If-Match",
        "schema": {"type": "string"},
        "description": "The ETag of what you read at this address: 412 where it has changed since.",
    }
    for address, path in result["paths"].items():
        for method, operation in path.items():
            if "{tenant}" in address and method != "get":
                headers = [key, match] if "get" in path and method != "post" else [key]
                operation["parameters"] = [*operation.get("parameters", []), *headers]
    return result


def summaries(result: dict[str, Any], **further: Any) -> dict[str, Any]:  # noqa: ARG001
    """A hook of drf-spectacular: lists of operations show how each description begins."""
    for path in result["paths"].values():
        for operation in path.values():
            if found := _FIRST_SENTENCE.match(operation.get("description", "")):
                operation.setdefault("summary", found[1])
    return result
