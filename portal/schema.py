"""Hooks of drf-spectacular: what the OpenAPI document of REST says beside what its views do."""

import re
from typing import Any

from portal.schema_words import explained

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


def members(result: dict[str, Any], **further: Any) -> dict[str, Any]:  # noqa: ARG001
    """A hook of drf-spectacular: each member of a body says what it means, with an example where one helps and fits."""
    for name, schema in result["components"]["schemas"].items():
        for member, told in schema.get("properties", {}).items():
            found = explained(name, member)
            if found is None or "description" in told:
                continue
            if set(told) == {"$ref"}:
                # Beside a reference nothing else counts in OpenAPI 3.0.
                told["allOf"] = [{"$ref": told.pop("$ref")}]
            told["description"] = found[0]
            if len(found) > 1 and _fits(found[1], told):
                told["example"] = found[1]
    return result


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,), "object": (dict,),
}  # fmt: skip


def _fits(example: Any, told: dict[str, Any]) -> bool:
    """Whether it is of the member's type; of an enumeration what there is stands beside it."""
    if example is None:
        return bool(told.get("nullable"))
    kind = told.get("type")
    return kind in _TYPES and type(example) in _TYPES[kind] and "enum" not in told and "allOf" not in told


_RATE = {
    "X-RateLimit-Limit": ("string", "How many changes there may be, and in how many seconds: `120, 120;w=60`."),
    "X-RateLimit-Remaining": ("integer", "How many are left."),
    "X-RateLimit-Reset": ("integer", "After how many seconds they are counted anew."),
}
_REPLAYED = {"Idempotent-Replayed": ("string", "`true` where the same was done before, under the same key.")}
_ETAG = {"ETag": ("string", "What it is now; send it as If-Match with a change.")}
_WAIT = {"Retry-After": ("integer", "With 429 and 503: after how many seconds to try again.")}


def headers(result: dict[str, Any], **further: Any) -> dict[str, Any]:  # noqa: ARG001
    """A hook of drf-spectacular: what answers say beside their bodies."""
    for address, path in result["paths"].items():
        for method, operation in path.items():
            in_tenant, changes = "{tenant}" in address, method != "get"
            listed = any(each["name"] == "cursor" for each in operation.get("parameters", []))
            for status, response in operation["responses"].items():
                told = _WAIT if status == "default" else {}
                if in_tenant and changes:
                    told = {**told, **_RATE} if status == "default" else {**_RATE, **_REPLAYED}
                elif in_tenant and not listed and status == "200":
                    told = _ETAG
                if told:
                    response["headers"] = {name: {"schema": {"type": kind}, "description": text} for name, (kind, text) in told.items()}
    return result
