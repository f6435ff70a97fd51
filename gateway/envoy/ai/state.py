"""What gateways should enforce for an AI API: frozen, sorted, complete, as gateway.envoy.state is, which has it in a version."""

from dataclasses import dataclass, field

OPENAI, ANTHROPIC = "openai", "anthropic"
# A group of attempts: keys that share its calls by weight.
Group = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Key:
    """A provider's key in one format; it has a cluster `<tenant>/ai/<id>/<format>/<digest>`.

    `digest`: of all that decides how a connection is made and what is sent with it, the sealed secret too, but not of the addresses.
    `prefix`: what stands before `/chat/completions` at the provider. `header` and `secret`: the whole value, `Bearer sk-…`. `usage`:
    whether streams of chat are asked what they used.
    """

    id: str
    format: str
    digest: str
    provider: str
    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...]
    prefix: str
    header: str
    # What no repr shows, as in gateway.envoy.state.Upstream.
    secret: bytes = field(default=b"", repr=False)
    usage: bool = True


@dataclass(frozen=True, slots=True)
class Model:
    """What callers may ask for: "openai/gpt-4o-mini", or an alias.

    `openai` and `anthropic`: the attempts in that format, in order; () where none of its providers speaks it. `names`: what the model is
    called at each provider. `first_byte_ms`: how long an attempt waits for an answer to begin, and `silence_ms` for it to go on; no less
    than all of its attempts wait for their beginning.
    """

    name: str
    openai: tuple[Group, ...]
    anthropic: tuple[Group, ...]
    names: tuple[tuple[str, str], ...]
    first_byte_ms: int
    silence_ms: int

    def attempts(self, format: str) -> tuple[Group, ...]:  # noqa: A002  (the contract's own word)
        return self.anthropic if format == ANTHROPIC else self.openai


@dataclass(frozen=True, slots=True)
class Variable:
    """`kind`: "string", "integer", "number" or "boolean". `most`: characters of a string; 0 for as many as there are."""

    name: str
    kind: str
    required: bool
    default: str | int | float | bool | None
    choices: tuple[str, ...]
    most: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """An operation that is a template: `messages` are roles and texts with `{{name}}`, `parameters` further members of the body."""

    operation_id: str
    path: str
    model: str
    variables: tuple[Variable, ...]
    messages: tuple[tuple[str, str], ...]
    parameters: tuple[tuple[str, int | float], ...]


@dataclass(frozen=True, slots=True)
class Rails:
    """`masks`: of "card", "email" and "phone", what is replaced in every text; `patterns`: names and Lua patterns of what is replaced by
    `[name]`; `blocked`: Lua patterns of what no text may hold, letters in lower case.
    """

    masks: tuple[str, ...] = ()
    patterns: tuple[tuple[str, str], ...] = ()
    blocked: tuple[str, ...] = ()
    body_kib: int = 1024


@dataclass(frozen=True, slots=True)
class Content:
    """What of its calls a log of its own has: `requests` what they ask, `answers` what they are answered; one at least."""

    requests: bool
    answers: bool


@dataclass(frozen=True, slots=True)
class Ai:
    """`content`: None where no log has any text of its calls."""

    keys: tuple[Key, ...]
    models: tuple[Model, ...]
    prompts: tuple[Prompt, ...] = ()
    rails: Rails = Rails()
    content: Content | None = None
