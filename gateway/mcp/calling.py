"""A tool's call: one request to a gateway, with the caller's own credential, and what is told of its answer."""

import base64
import json
from dataclasses import dataclass

import httpx
from mcp import types

from apis.tools import Call
from gateway.envoy.names import REFUSAL_HEADER
from gateway.mcp.credential import Credential

# What an agent is given of an answer, and how long it may take.
MOST_BYTES = 1024 * 1024
SECONDS = 120.0
_TEXT = ("text/", "application/json", "application/xml", "application/javascript", "application/x-www-form-urlencoded", "application/yaml")
# What is not compressed can be cut anywhere.
_SAID = {"user-agent": "portico-mcp", "accept-encoding": "identity"}
_CUT = f"The answer was longer. It was cut here, after {MOST_BYTES // 1024} KiB."
_LATE = f"The API did not answer within {SECONDS:.0f} seconds."
_AWAY = "The gateway could not be reached. Try again later."


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    media_type: str
    code: str
    body: bytes
    cut: bool
    location: str = ""

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


def client(gateway: str) -> httpx.AsyncClient:
    """:param gateway: where one is."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=30)
    return httpx.AsyncClient(base_url=gateway, timeout=SECONDS, limits=limits, trust_env=False, headers=_SAID)


async def call(http: httpx.AsyncClient, base: str, made: Call, credential: Credential) -> types.CallToolResult:
    """:param base: what stands before the operation's path."""
    sent = {"accept": "application/json, text/*;q=0.9, */*;q=0.5", **made.headers, credential.header: credential.value}
    try:
        async with http.stream(made.method, f"{base}{made.path}", content=made.body, headers=sent) as answer:
            return told(await _read(answer))
    except httpx.TimeoutException:
        return failed(_LATE)
    except httpx.InvalidURL:
        return failed("The arguments make an address that is too long.")
    except httpx.HTTPError:
        return failed(_AWAY)


def told(answer: Answer) -> types.CallToolResult:
    """As the agent is told; whatever is no success is an error that it can read."""
    if answer.code:
        return failed(_refusal(answer))
    if answer.status >= 400:
        return types.CallToolResult(content=[_text(f"The API answered {answer.status}."), *_content(answer)], is_error=True)
    if answer.location:
        return types.CallToolResult(content=[_text(f"The API answered {answer.status} and leads to {answer.location}."), *_content(answer)])
    return types.CallToolResult(content=_content(answer) or [_text(f"Done. The API answered {answer.status} without content.")])


def failed(sentence: str) -> types.CallToolResult:
    return types.CallToolResult(content=[_text(sentence)], is_error=True)


async def _read(answer: httpx.Response) -> Answer:
    pieces, left, cut = [], MOST_BYTES, False
    async for piece in answer.aiter_bytes():
        pieces.append(piece[:left])
        left -= len(piece)
        if left < 0:
            cut = True
            break
    said = answer.headers
    media_type = said.get("content-type", "").partition(";")[0].strip().lower()
    code, location = said.get(REFUSAL_HEADER, ""), said.get("location", "")
    return Answer(answer.status_code, media_type, code, b"".join(pieces), cut, location if answer.is_redirect else "")


def _refusal(answer: Answer) -> str:
    """The gateway's own words (RFC 9457), and its code."""
    try:
        problem = json.loads(answer.body)
        return f"{problem['title']} {problem['detail']} ({answer.code})"
    except (ValueError, KeyError, TypeError):
        return f"The gateway refused the call ({answer.code})."


def _content(answer: Answer) -> list[types.ContentBlock]:
    if not answer.body:
        return []
    if answer.media_type.startswith("image/") and not answer.cut:
        return [types.ImageContent(type="image", data=base64.b64encode(answer.body).decode(), mime_type=answer.media_type)]
    if not _is_text(answer.media_type):
        return [_text(f"The answer is {answer.media_type}, which can't be shown as text.")]
    return [_text(answer.text), *([_text(_CUT)] if answer.cut else [])]


def _is_text(media_type: str) -> bool:
    return not media_type or media_type.startswith(_TEXT) or media_type.endswith(("+json", "+xml"))


def _text(text: str) -> types.TextContent:
    return types.TextContent(type="text", text=text)
