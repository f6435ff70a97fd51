"""What a revision of an AI API offers: models, prompts, and rails for what callers send."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

# A provider's slug, a slash, and a model's name there.
MOST_OFFERED = 161
MOST_TOKENS = 1_000_000_000
MOST_MODELS = 100
BODY_KIB = (16, 8_192)
USUAL_BODY_KIB = 1_024


@dataclass(frozen=True, slots=True)
class Variable:
    """`most`: characters of a string. `choices`: of a string; () for whatever it says. `default` of None for none."""

    name: str
    kind: str = "string"
    required: bool = True
    default: str | float | bool | None = None
    choices: tuple[str, ...] = ()
    most: int = 4_000

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Variable":
        return cls(**{**told, "choices": tuple(told["choices"])})


@dataclass(frozen=True, slots=True)
class Message:
    """`text` has {{name}} where a variable goes."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """An operation of its own, which callers give variables and get a text from."""

    name: str
    title: str
    model: str
    variables: tuple[Variable, ...]
    messages: tuple[Message, ...]
    parameters: Mapping[str, float]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Prompt":
        variables, messages = tuple(map(Variable.of, told["variables"])), tuple(Message(**each) for each in told["messages"])
        return cls(told["name"], told["title"], told["model"], variables, messages, told["parameters"])

    @property
    def operation_id(self) -> str:
        return "prompt" + "".join(part.capitalize() for part in self.name.split("-"))

    @property
    def path(self) -> str:
        return f"/prompts/{self.name}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """`regex`: of the subset that apis.ai.patterns takes; what matches is replaced by [name]."""

    name: str
    regex: str


@dataclass(frozen=True, slots=True)
class Rails:
    """`masks`: of "email", "phone" and "card". `blocked`: words with which a call is refused. `body_kib`: how large one may be."""

    masks: tuple[str, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    blocked: tuple[str, ...] = ()
    body_kib: int = USUAL_BODY_KIB

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Rails":
        return cls(tuple(told["masks"]), tuple(Pattern(**each) for each in told["patterns"]), tuple(told["blocked"]), told["body_kib"])


@dataclass(frozen=True, slots=True)
class Offer:
    """`models`: what callers may ask for, each as “provider/model” or an alias."""

    models: tuple[str, ...]
    prompts: tuple[Prompt, ...] = ()
    rails: Rails = Rails()

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Offer":
        return cls(tuple(told["models"]), tuple(map(Prompt.of, told["prompts"])), Rails.of(told["rails"]))

    @property
    def told(self) -> dict[str, Any]:
        """As revisions keep it."""
        return asdict(self)
