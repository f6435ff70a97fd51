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
            "code": text,
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "request_id": text,
            "errors": {"type": "object", "additionalProperties": {"type": "array", "items": text}},
        },
        "required": ["type", "title", "status", "detail", "request_id"],
    }
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = {"description": "A refusal.", "content": content}
    return result


def summaries(result: dict[str, Any], **further: Any) -> dict[str, Any]:  # noqa: ARG001
    """A hook of drf-spectacular: lists of operations show how each description begins."""
    for path in result["paths"].values():
        for operation in path.values():
            if found := _FIRST_SENTENCE.match(operation.get("description", "")):
                operation.setdefault("summary", found[1])
    return result
