"""What somebody asks of a provider, read from a call in any of its formats."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# By the end of a path, whatever stands before it: providers have different prefixes.
ENDPOINTS = ("/chat/completions", "/responses", "/embeddings", "/messages")
# Members that bound an answer.
LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


class Unreadable(ValueError):  # noqa: N818  (reads as the sentence it is)
    """The call is not of the format; `str` says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """:param said: the newest text. :param taken: tokens that were sent. :param most: of the answer; 0 for no bound.
    :param told: whether a stream of chat ends with its usage.
    """

    endpoint: str
    model: str
    said: str
    taken: int
    most: int
    stream: bool
    told: bool
    inputs: int
    base64: bool

    @property
    def is_anthropic(self) -> bool:
        return self.endpoint == "/messages"


def read(endpoint: str, body: bytes) -> Asked:
    """
    :raises Unreadable: it is not what the endpoint takes.
    """
    try:
        told = json.loads(body)
    except ValueError as error:
        raise Unreadable("We could not parse the JSON body of your request.") from error
    if not isinstance(told, dict):
        raise Unreadable("The body must be a JSON object.")
    model = told.get("model")
    if not isinstance(model, str) or not model:
        raise Unreadable("you must provide a model parameter")
    member = "messages" if endpoint in {"/chat/completions", "/messages"} else "input"
    if not told.get(member):
        raise Unreadable(f"Missing required parameter: '{member}'.")
    if endpoint == "/messages" and not _whole(told.get("max_tokens")):
        raise Unreadable("max_tokens: Field required")
    texts = [*_texts(told.get("system")), *_texts(told.get("instructions")), *_texts(told[member])]
    options = told.get("stream_options")
    return Asked(
        endpoint=endpoint,
        model=model,
        said=texts[-1] if texts else "",
        taken=max(1, sum(len(text.split()) for text in texts)),
        most=next((told[name] for name in LIMITS if _whole(told.get(name))), 0),
        stream=told.get("stream") is True,
        told=isinstance(options, dict) and options.get("include_usage") is True,
        inputs=len(told[member]) if isinstance(told[member], list) else 1,
        base64=told.get("encoding_format") == "base64",
    )


def _whole(found: Any) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and found > 0


def _texts(found: Any) -> Iterator[str]:
    """Of a text, a message, a part of one, or a list of any of them."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, list):
        for each in found:
            yield from _texts(each)
    elif isinstance(found, Mapping):
        yield from _texts(found.get("text") or found.get("content"))
