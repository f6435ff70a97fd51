"""What a provider answers: whole, or as the events of a stream, in the format that it was asked in.

As the providers' own references show them: OpenAI's for chat completions, responses, embeddings and models, Anthropic's for messages.
"""

import base64
import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from portal.demo.provider.asked import Asked

# An embedding is that long.
DIMENSIONS = 8
# Anthropic's names of what went wrong; OpenAI has fewer.
_ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_OPENAI = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


@dataclass(frozen=True, slots=True)
class Call:
    """:param name: an id of its own. :param now: seconds since 1970. :param cached: whether half of what was sent was remembered.
    :param silent: it tells no usage.
    """

    asked: Asked
    name: str
    now: int
    cached: bool = False
    silent: bool = False

    @property
    def words(self) -> list[str]:
        """The answer, a token each."""
        words = f"You wrote: {self.asked.said}".split()
        return words[: self.asked.most] if self.asked.most else words

    @property
    def text(self) -> str:
        return " ".join(self.words)

    @property
    def pieces(self) -> list[str]:
        return [word if number == 0 else f" {word}" for number, word in enumerate(self.words)]

    @property
    def is_cut(self) -> bool:
        return 0 < self.asked.most < len(f"You wrote: {self.asked.said}".split())

    @property
    def remembered(self) -> int:
        return self.asked.taken // 2 if self.cached else 0


def whole(call: Call) -> dict[str, Any]:
    return {
        "/chat/completions": _chat,
        "/responses": _response,
        "/embeddings": _embeddings,
        "/messages": _message,
    }[call.asked.endpoint](call)


def events(call: Call) -> Iterator[bytes]:
    """One after the other, as they are sent."""
    return {"/chat/completions": _chat_events, "/responses": _response_events, "/messages": _message_events}[call.asked.endpoint](call)


def error(status: int, *, message: str, anthropic: bool) -> dict[str, Any]:
    if anthropic:
        return {"type": "error", "error": {"type": _ANTHROPIC.get(status, "api_error"), "message": message}, "request_id": "req_mock"}
    kind, code = _OPENAI.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def models(names: tuple[str, ...], now: int) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": name, "object": "model", "created": now, "owned_by": "mock"} for name in names]}


def _event(data: dict[str, Any] | str, name: str = "") -> bytes:
    said = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{f'event: {name}{chr(10)}' if name else ''}data: {said}\n\n".encode()


# OpenAI's chat completions


def _chat_usage(call: Call) -> dict[str, Any]:
    given = len(call.words)
    return {
        "prompt_tokens": call.asked.taken,
        "completion_tokens": given,
        "total_tokens": call.asked.taken + given,
        "prompt_tokens_details": {"cached_tokens": call.remembered, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _chat(call: Call) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": call.text, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "length" if call.is_cut else "stop"}
    found = {"id": f"chatcmpl-{call.name}", "object": "chat.completion", "created": call.now, "model": call.asked.model}
    found |= {"choices": [choice], "service_tier": "default", "system_fingerprint": "fp_mock"}
    return found if call.silent else found | {"usage": _chat_usage(call)}


def _chat_events(call: Call) -> Iterator[bytes]:
    head = {"id": f"chatcmpl-{call.name}", "object": "chat.completion.chunk", "created": call.now, "model": call.asked.model}
    head |= {"system_fingerprint": "fp_mock"}
    told = call.asked.told and not call.silent
    # Where usage is asked for, every chunk but the last says that it has none.
    none = {"usage": None} if told else {}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return _event({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}], **none})

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for piece in call.pieces:
        yield chunk({"content": piece})
    yield chunk({}, "length" if call.is_cut else "stop")
    if told:
        yield _event({**head, "choices": [], "usage": _chat_usage(call)})
    yield _event("[DONE]")


# OpenAI's responses


def _response(call: Call, *, status: str = "completed") -> dict[str, Any]:
    done = status != "in_progress"
    status = "incomplete" if done and call.is_cut else status
    given = len(call.words)
    usage = {
        "input_tokens": call.asked.taken,
        "input_tokens_details": {"cached_tokens": call.remembered},
        "output_tokens": given,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": call.asked.taken + given,
    }
    return {
        "id": f"resp_{call.name}",
        "object": "response",
        "created_at": call.now,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None,
        "metadata": {},
        "model": call.asked.model,
        "output": [_item(call, status)] if done else [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage if done and not call.silent else None,
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _item(call: Call, status: str) -> dict[str, Any]:
    content = [] if status == "in_progress" else [_part(call.text)]
    return {"id": f"msg_{call.name}", "type": "message", "status": status, "role": "assistant", "content": content}


def _response_events(call: Call) -> Iterator[bytes]:
    number = 0

    def event(name: str, **more: Any) -> bytes:
        nonlocal number
        number += 1
        return _event({"type": name, "sequence_number": number - 1, **more}, name)

    at = {"item_id": f"msg_{call.name}", "output_index": 0, "content_index": 0}
    yield event("response.created", response=_response(call, status="in_progress"))
    yield event("response.in_progress", response=_response(call, status="in_progress"))
    yield event("response.output_item.added", output_index=0, item=_item(call, "in_progress"))
    yield event("response.content_part.added", **at, part=_part(""))
    for piece in call.pieces:
        yield event("response.output_text.delta", **at, delta=piece, logprobs=[])
    yield event("response.output_text.done", **at, text=call.text, logprobs=[])
    yield event("response.content_part.done", **at, part=_part(call.text))
    found = _response(call)
    yield event("response.output_item.done", output_index=0, item=_item(call, found["status"]))
    yield event(f"response.{found['status']}", response=found)


# OpenAI's embeddings


def _embeddings(call: Call) -> dict[str, Any]:
    vector = [(each + len(call.asked.said)) % 7 / 7 for each in range(DIMENSIONS)]
    told = base64.b64encode(array("f", vector).tobytes()).decode() if call.asked.base64 else vector
    data = [{"object": "embedding", "index": index, "embedding": told} for index in range(call.asked.inputs)]
    found = {"object": "list", "data": data, "model": call.asked.model}
    return found if call.silent else found | {"usage": {"prompt_tokens": call.asked.taken, "total_tokens": call.asked.taken}}


# Anthropic's messages


def _message_usage(call: Call, given: int) -> dict[str, Any]:
    """What was remembered is counted beside the rest, not in it."""
    return {
        "input_tokens": call.asked.taken - call.remembered,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": call.remembered,
        "output_tokens": given,
        "service_tier": "standard",
    }


def _message(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = {"id": f"msg_{call.name}", "type": "message", "role": "assistant", "model": call.asked.model}
    found |= {"content": [{"type": "text", "text": call.text}], "stop_reason": _stop(call), "stop_sequence": None}
    return found if call.silent else found | {"usage": _message_usage(call, len(call.words))}


def _stop(call: Call) -> str:
    return "max_tokens" if call.is_cut else "end_turn"


def _message_events(call: Call) -> Iterator[bytes]:
    def event(kind: str, **more: Any) -> bytes:
        return _event({"type": kind, **more}, kind)

    begun = {**_message(call), "content": [], "stop_reason": None, "usage": _message_usage(call, 1)}
    yield event("message_start", message=begun)
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield event("ping")
    for piece in call.pieces:
        yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
    yield event("content_block_stop", index=0)
    ended: dict[str, Any] = {} if call.silent else {"usage": {"output_tokens": len(call.words)}}
    yield event("message_delta", delta={"stop_reason": _stop(call), "stop_sequence": None}, **ended)
    yield event("message_stop")
