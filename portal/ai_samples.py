"""A call of an AI API as programs that work as they stand, with the SDKs of OpenAI and Anthropic, and curl. The key is `$API_KEY`."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.samples import Sample

SAYS = "Say hello."
USUAL = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """`address`: of the version, as in https://gateway.example/acme/models/v1. `openai` and `anthropic`: a model to ask in that format, ""
    where none speaks it. `key`: one that was just made, "" for the variable. `most`: how many tokens a call has to be content with; 0
    where it need not say so."""

    address: str
    openai: str
    anthropic: str
    key: str = ""
    most: int = 0

    @property
    def tokens(self) -> int:
        """What a sample asks for."""
        return min(self.most or USUAL, USUAL)


def asked(address: str, models: Iterable[Mapping[str, Any]], *, only: Sequence[str] = (), most: int | None = None, key: str = "") -> Asked:
    """
    :param models: as `apis.actions.ai_models.catalogue_of` tells them. :param only: what the plan includes; none for all.
    :param most: for how many tokens a call may ask under it; then each has to say how many it wants.
    """
    found = [each for each in models if not only or each["name"] in only]
    return Asked(address, _one(found, "openai"), _one(found, "anthropic"), key, most or 0)


def _one(models: Sequence[Mapping[str, Any]], spoken: str) -> str:
    """One that chats, where the name tells; an alias before others, for it is the one that stays."""
    speaking = [each["name"] for each in models if spoken in each["formats"]]
    return min(speaking, key=lambda name: ("embed" in name, "/" in name, name), default="")


def samples(call: Asked) -> list[Sample]:
    found = []
    if call.openai:
        found += [
            Sample("python", "Python", "python", _python(call)),
            Sample("javascript", "JavaScript", "javascript", _javascript(call)),
            Sample("curl", "curl", "bash", curl(call)),
        ]
    if call.anthropic:
        found.append(Sample("anthropic", "Anthropic", "python", _anthropic(call)))
    return found


def _said(call: Asked) -> dict[str, Any]:
    tokens = {"max_tokens": call.tokens} if call.most else {}
    return {"model": call.openai, **tokens, "messages": [{"role": "user", "content": SAYS}]}


def _text(value: str) -> str:
    """As Python and JavaScript both read it."""
    return json.dumps(value)


def _python(call: Asked) -> str:
    key = _text(call.key) if call.key else 'os.environ["API_KEY"]'
    return f"""{"" if call.key else "import os" + chr(10) * 2}from openai import OpenAI

client = OpenAI(
    base_url={_text(call.address)},
    api_key={key},
)
answer = client.chat.completions.create(
    model={_text(call.openai)},{f"{chr(10)}    max_tokens={call.tokens}," if call.most else ""}
    messages=[{{"role": "user", "content": {_text(SAYS)}}}],
)
print(answer.choices[0].message.content)"""


def _javascript(call: Asked) -> str:
    key = _text(call.key) if call.key else "process.env.API_KEY"
    return f"""import OpenAI from "openai";

const client = new OpenAI({{
  baseURL: {_text(call.address)},
  apiKey: {key},
}});
const answer = await client.chat.completions.create({{
  model: {_text(call.openai)},{f"{chr(10)}  max_tokens: {call.tokens}," if call.most else ""}
  messages: [{{ role: "user", content: {_text(SAYS)} }}],
}});
console.log(answer.choices[0].message.content);"""


def curl(call: Asked) -> str:
    first = f"API_KEY={shlex.quote(call.key)}\n" if call.key else ""
    return f"""{first}curl -sS {shlex.quote(call.address + "/chat/completions")} \\
  -H "Authorization: Bearer $API_KEY" \\
  -H 'Content-Type: application/json' \\
  -d {shlex.quote(json.dumps(_said(call)))}"""


def _anthropic(call: Asked) -> str:
    key = _text(call.key) if call.key else 'os.environ["API_KEY"]'
    # This SDK writes /v1 itself.
    return f"""{"" if call.key else "import os" + chr(10) * 2}from anthropic import Anthropic

client = Anthropic(
    base_url={_text(call.address.removesuffix("/v1"))},
    api_key={key},
)
answer = client.messages.create(
    model={_text(call.anthropic)},
    max_tokens={call.tokens},
    messages=[{{"role": "user", "content": {_text(SAYS)}}}],
)
print(answer.content[0].text)"""
