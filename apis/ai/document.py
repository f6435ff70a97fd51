"""The OpenAPI document of an AI API: its endpoints as providers describe theirs, and an operation for each prompt."""

from collections.abc import Iterable
from typing import Any

from apis.ai.offer import Offer, Prompt, Variable

VERSION = "1"
CHAT, PROMPTS = "Models", "Prompts"
# What the gateway answers itself, in the form that SDKs of OpenAI read.
_PROBLEM = {"$ref": "#/components/responses/Refused"}
_EXAMPLE_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1764547200,
    "model": "gpt-5-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}
_EVENT = 'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'


def document(offer: Offer, *, title: str, description: str = "") -> dict[str, Any]:
    """OpenAPI 3.1. What it says depends on nothing but this, so the same offer is the same document."""
    models = sorted(offer.models)
    paths = {
        "/chat/completions": {"post": _chat(models)},
        "/responses": {"post": _responses(models)},
        "/embeddings": {"post": _embeddings(models)},
        "/messages": {"post": _messages(models)},
        "/models": {"get": _models(models)},
        **{prompt.path: {"post": _prompt(prompt)} for prompt in sorted(offer.prompts, key=lambda each: each.path)},
    }
    tags = [{"name": CHAT, "description": "Ask a model, in the format of OpenAI or of Anthropic."}]
    if offer.prompts:
        tags.append({"name": PROMPTS, "description": "Prompts that are written already: send their variables."})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": VERSION,
            "description": description or "AI models behind one address, with one key.",
            "contact": {"name": title},
        },
        "tags": tags,
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key, or an access token, of an application."}
            },
            "responses": {"Refused": _refused()},
        },
    }


def _operation(
    name: str, summary: str, description: str, *, body: dict[str, Any] | None, answer: dict[str, Any], tag: str = CHAT
) -> dict[str, Any]:
    told: dict[str, Any] = {"operationId": name, "summary": summary, "description": description, "tags": [tag]}
    if body is not None:
        told["requestBody"] = {"required": True, "content": {"application/json": body}}
    return {**told, "responses": {"200": answer, "4XX": _PROBLEM}}


def _object(properties: dict[str, Any], required: Iterable[str], *, open_to_more: bool = True) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": open_to_more}


def _model(models: list[str]) -> dict[str, Any]:
    return {"type": "string", "enum": models, "description": "Who is asked."}


def _count(what: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "description": what}


def _stream() -> dict[str, Any]:
    return {"type": "boolean", "default": False, "description": "Whether the answer comes in pieces, as server-sent events."}


def _conversation(roles: list[str]) -> dict[str, Any]:
    said = {"description": "A text, or a list of parts such as texts and pictures.", "type": ["string", "array"]}
    role = {"type": "string", "enum": roles, "description": "Who says it."}
    message = _object({"role": role, "content": said}, ["role"])
    return {"type": "array", "minItems": 1, "items": message, "description": "What was said so far, the oldest first."}


def _answer(what: str, example: dict[str, Any], *, streams: bool = True) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": {"type": "object", "description": what}, "example": example}}
    if streams:
        content["text/event-stream"] = {"schema": {"type": "string", "description": "Events, where `stream` is true."}, "example": _EVENT}
    return {"description": what, "content": content}


def _chat(models: list[str]) -> dict[str, Any]:
    said = {"model": models[0], "messages": [{"role": "user", "content": "Say hello."}]}
    properties = {
        "model": _model(models),
        "messages": _conversation(["system", "developer", "user", "assistant", "tool"]),
        "max_tokens": _count("How long the answer may be."),
        "max_completion_tokens": _count("The same, with what the model thinks."),
        "temperature": {"type": "number", "minimum": 0, "maximum": 2, "description": "How free it is, from 0 to 2."},
        "stream": _stream(),
    }
    body = {"schema": _object(properties, ["model", "messages"]), "example": said}
    return _operation(
        "chatCompletions", "Complete a chat", "In the format of OpenAI's chat completions; further members go to the provider as they are.",
        body=body, answer=_answer("What the model says.", _EXAMPLE_ANSWER),
    )  # fmt: skip


def _responses(models: list[str]) -> dict[str, Any]:
    properties = {
        "model": _model(models),
        "input": {"type": ["string", "array"], "description": "A text, or what was said so far."},
        "instructions": {"type": "string", "description": "How the model should answer."},
        "max_output_tokens": _count("How long the answer may be."),
        "stream": _stream(),
    }
    example = {
        "id": "resp_1",
        "object": "response",
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]}],
        "usage": {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11},
    }
    body = {"schema": _object(properties, ["model", "input"]), "example": {"model": models[0], "input": "Say hello."}}
    return _operation(
        "responses", "Get a response", "In the format of OpenAI's responses, for providers that have it.",
        body=body, answer=_answer("What the model says.", example),
    )  # fmt: skip


def _embeddings(models: list[str]) -> dict[str, Any]:
    properties = {
        "model": _model(models),
        "input": {"type": ["string", "array"], "description": "A text, or several."},
        "dimensions": _count("How many numbers an embedding has."),
    }
    example = {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.1, -0.2, 0.3]}],
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    }
    body = {"schema": _object(properties, ["model", "input"]), "example": {"model": models[0], "input": "Hello"}}
    return _operation(
        "embeddings", "Embed texts", "In the format of OpenAI's embeddings, for models that make some.",
        body=body, answer=_answer("The embeddings.", example, streams=False),
    )  # fmt: skip


def _messages(models: list[str]) -> dict[str, Any]:
    properties = {
        "model": _model(models),
        "messages": _conversation(["user", "assistant"]),
        "max_tokens": _count("How long the answer may be."),
        "system": {"type": ["string", "array"], "description": "How the model should answer."},
        "stream": _stream(),
    }
    example = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "Hello."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 9, "output_tokens": 2},
    }
    said = {"model": models[0], "max_tokens": 200, "messages": [{"role": "user", "content": "Say hello."}]}
    body = {"schema": _object(properties, ["model", "messages", "max_tokens"]), "example": said}
    return _operation(
        "messages", "Send messages", "In the format of Anthropic's messages, for models whose provider speaks it.",
        body=body, answer=_answer("What the model says.", example),
    )  # fmt: skip


def _models(models: list[str]) -> dict[str, Any]:
    example = {"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "portico"} for name in models]}
    return _operation(
        "models", "List models", "What can be asked for here.", body=None, answer=_answer("The models.", example, streams=False)
    )  # fmt: skip


def _prompt(prompt: Prompt) -> dict[str, Any]:
    variables = {each.name: _variable(each) for each in prompt.variables}
    example = {each.name: each.default if each.default is not None else _made_up(each) for each in prompt.variables}
    schema = _object(variables, [each.name for each in prompt.variables if each.required], open_to_more=False)
    text = _object({"text": {"type": "string", "description": "The text of the answer."}}, ["text"])
    answer = {"description": "What the model says.", "content": {"application/json": {"schema": text, "example": {"text": "Hello."}}}}
    said = f"A prompt that {prompt.model} answers. Send its variables, get its text."
    return _operation(prompt.operation_id, prompt.title, said, body={"schema": schema, "example": example}, answer=answer, tag=PROMPTS)


def _variable(each: Variable) -> dict[str, Any]:
    told: dict[str, Any] = {"type": each.kind, "description": f"Goes into the prompt as {each.name}."}
    if each.choices:
        told["enum"] = list(each.choices)
    elif each.kind == "string":
        told["maxLength"] = each.most
    return told if each.default is None else {**told, "default": each.default}


def _made_up(each: Variable) -> Any:
    return each.choices[0] if each.choices else {"string": "Hello", "integer": 3, "number": 0.5, "boolean": True}[each.kind]


def _refused() -> dict[str, Any]:
    properties = {
        "type": {"type": "string", "description": "Where the refusal is described."},
        "title": {"type": "string", "description": "What it is."},
        "status": {"type": "integer", "description": "The status."},
        "code": {"type": "string", "description": "The code of the refusal, such as BUDGET_EXCEEDED."},
        "detail": {"type": "string", "description": "What to do."},
        "error": {"type": "object", "description": "The same as SDKs read it: message, type, code."},
    }
    example = {"type": "about:blank", "title": "Unknown model", "status": 404, "code": "MODEL_UNKNOWN", "detail": "There is no such model."}
    content = {"application/problem+json": {"schema": _object(properties, ["status", "code"]), "example": example}}
    return {"description": "The gateway refused the call, and says why; or what the provider answered.", "content": content}
