"""What was asked of a model and what it answered, read from what a gateway noted: messages for people, whatever the format.

What is broken, cut or hostile is no error here: it is read as far as it goes, or not at all.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# More are not shown one by one.
MOST_MESSAGES = 300
MOST_NAME = 80
# Deeper than any conversation is.
MOST_DEPTH = 60
ASSISTANT = "assistant"


class Kind(StrEnum):
    """What a part of a message is: a text, what the model thought, a tool that it calls, what one gave, or something that is no text."""

    TEXT = "text"
    THOUGHT = "thought"
    CALL = "call"
    RESULT = "result"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Piece:
    """`name`: the tool's, or of what is no text its type."""

    kind: Kind
    text: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """`role` as it was sent; "" where none was."""

    role: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """The oldest message first; `left_out`: how many there were beyond those."""

    messages: tuple[Message, ...]
    left_out: int = 0


def asked(body: str) -> Conversation | None:
    """Of a request's body: chat completions, responses, messages, texts to embed. None where it is none of them."""
    told = _read(body)
    if not isinstance(told, dict):
        return None
    return _conversation([*_standing(told), *_turns(told.get("messages")), *_inputs(told.get("input"))])


def answered(body: str, *, streamed: bool) -> Conversation | None:
    """Of an answer: of a stream its text, as a gateway gathers it; else the JSON of each format. None where nobody says anything in it."""
    if streamed:
        text = unescaped(body)
        return Conversation((Message(ASSISTANT, (Piece(Kind.TEXT, text),)),)) if text else None
    told = _read(body)
    if not isinstance(told, dict):
        return None
    found = [_turn(each["message"]) for each in _dicts(told.get("choices")) if isinstance(each.get("message"), dict)]
    found += _inputs(told.get("output") if isinstance(told.get("output"), list) else None, role=ASSISTANT)
    if isinstance(told.get("content"), list):
        found.append(Message(_role(told) or ASSISTANT, tuple(_pieces(told["content"]))))
    if isinstance(told.get("text"), str):
        # Of a prompt.
        found.append(Message(ASSISTANT, (Piece(Kind.TEXT, readable(told["text"])),)))
    return _conversation(found)


def unescaped(text: str) -> str:
    """What stands between the quotation marks of a JSON string, or of many one behind the other; half an escape at its end is left out."""
    return readable(_ESCAPE.sub(_character, text))


def pretty(text: str) -> str:
    """JSON with its members below each other; what is none as it is."""
    try:
        told = json.loads(text)
        return readable(json.dumps(told, indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return readable(text)


def readable(text: str) -> str:
    """Without what no page can show: halves of characters, and control characters."""
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _CONTROL.sub("\ufffd", joined.replace("\r\n", "\n"))


# --- JSON, also where it was cut ------------------------------------------------------------------------------------

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ESCAPE = re.compile(r'\\(?:(["\\/bfnrt])|u([0-9a-fA-F]{4})|u[0-9a-fA-F]{0,3}\Z|\Z)')
_SHORT = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# A string, also one that does not end, and what opens, closes and divides.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?P<ends>"?)|[\[\]{},]', re.DOTALL)
_CUT_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*(\\(?:u[0-9a-fA-F]{0,3})?)\Z")
_CLOSES = {"[": "]", "{": "}"}


def _character(found: re.Match[str]) -> str:
    short, code = found.groups()
    return _SHORT[short] if short else chr(int(code, 16)) if code else ""


def _read(body: str) -> Any:
    """The JSON of a body; of one that was cut what came before the cut. None where there is nothing to read."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        pass
    for mended in _mended(body):
        try:
            return json.loads(mended)
        except (ValueError, RecursionError):
            continue
    return None


def _mended(body: str) -> Iterator[str]:
    """The body with an end: where it was cut, else behind the last member that was whole."""
    closes: list[str] = []
    whole, closes_then = 0, ""
    for found in _TOKEN.finditer(body):
        sign = found[0]
        if sign in _CLOSES:
            closes.append(_CLOSES[sign])
            if len(closes) > MOST_DEPTH:
                return
        elif sign in "]}":
            if not closes or closes.pop() != sign:
                return
        elif sign == ",":
            whole, closes_then = found.start(), "".join(reversed(closes))
        elif not found["ends"]:
            # The string in which it was cut, without half of an escape.
            cut = _CUT_ESCAPE.search(body)
            until = cut.start(1) if cut else len(body)
            yield body[:until] + '"' + "".join(reversed(closes))
    if closes:
        yield body + "".join(reversed(closes))
        yield body[:whole] + closes_then


# --- messages -------------------------------------------------------------------------------------------------------


def _conversation(found: list[Message]) -> Conversation | None:
    told = [each for each in found if each.pieces]
    return Conversation(tuple(told[:MOST_MESSAGES]), max(0, len(told) - MOST_MESSAGES)) if told else None


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _name(value: Any) -> str:
    return readable(value)[:MOST_NAME] if isinstance(value, str) else ""


def _role(told: dict[str, Any]) -> str:
    return _name(told.get("role"))


def _text(value: Any) -> str:
    """A text as it is, anything else as JSON."""
    return readable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _standing(told: dict[str, Any]) -> list[Message]:
    """What is said before everybody else speaks."""
    said = [(name, told.get(name)) for name in ("system", "instructions")]
    return [Message("system", tuple(_pieces(value))) for _name_of, value in said if value]


def _turns(messages: Any) -> list[Message]:
    return [_turn(each) for each in _dicts(messages)]


def _turn(told: dict[str, Any]) -> Message:
    """One message of a chat, or of Anthropic's messages."""
    role = _role(told)
    thought = [Piece(Kind.THOUGHT, _text(told[name])) for name in ("reasoning_content", "reasoning") if isinstance(told.get(name), str)]
    said = _pieces(told.get("content"))
    if role == "tool":
        said = [Piece(Kind.RESULT, each.text, _name(told.get("name"))) if each.kind is Kind.TEXT else each for each in said]
    if isinstance(told.get("refusal"), str):
        said = [*said, Piece(Kind.TEXT, _text(told["refusal"]))]
    return Message(role, (*thought, *said, *(_tool_call(each) for each in _dicts(told.get("tool_calls")))))


def _tool_call(told: dict[str, Any]) -> Piece:
    called = told.get("function")
    called = called if isinstance(called, dict) else {}
    return Piece(Kind.CALL, _text(called.get("arguments", "")), _name(called.get("name")))


def _inputs(value: Any, role: str = "user") -> list[Message]:
    """What a response is asked with, or answers: a text, texts, or items of which each is a message, a call or what came of one."""
    if isinstance(value, str):
        return [Message(role, (Piece(Kind.TEXT, _text(value)),))]
    if not isinstance(value, list):
        return []
    return [found for each in value if (found := _item(each, role))]


def _item(value: Any, role: str) -> Message | None:
    if isinstance(value, str):
        return Message(role, (Piece(Kind.TEXT, _text(value)),))
    if not isinstance(value, dict):
        return None
    match value.get("type", "message"):
        case "message":
            return Message(_role(value) or role, tuple(_pieces(value.get("content"))))
        case "function_call" | "custom_tool_call":
            said = value.get("arguments", value.get("input", ""))
            return Message(ASSISTANT, (Piece(Kind.CALL, _text(said), _name(value.get("name"))),))
        case "function_call_output" | "custom_tool_call_output":
            return Message("tool", (Piece(Kind.RESULT, _text(value.get("output", ""))),))
        case "reasoning":
            return Message(ASSISTANT, tuple(Piece(Kind.THOUGHT, each.text) for each in _pieces(value.get("summary")) if each.text))
        case other:
            return Message(role, (Piece(Kind.OTHER, "", _name(other)),))


def _pieces(content: Any) -> list[Piece]:
    """What a message says: a text, or parts in their order."""
    parts = content if isinstance(content, list) else [content] if isinstance(content, str) else []
    found = (_piece(each) for each in parts if isinstance(each, str | dict))
    return [each for each in found if each.text or each.kind is not Kind.TEXT]


def _piece(part: str | dict[str, Any]) -> Piece:
    if isinstance(part, str):
        return Piece(Kind.TEXT, _text(part))
    match part.get("type"):
        case "text" | "input_text" | "output_text" | "summary_text":
            return Piece(Kind.TEXT, _text(part.get("text", "")))
        case "refusal" if isinstance(part.get("refusal"), str):
            return Piece(Kind.TEXT, _text(part["refusal"]))
        case "thinking" if isinstance(part.get("thinking"), str):
            return Piece(Kind.THOUGHT, _text(part["thinking"]))
        case "tool_use":
            return Piece(Kind.CALL, _text(part.get("input", "")), _name(part.get("name")))
        case "tool_result":
            said = _pieces(part.get("content"))
            return Piece(Kind.RESULT, "\n".join(each.text for each in said if each.text))
        case other:
            return Piece(Kind.OTHER, "", _name(other))
