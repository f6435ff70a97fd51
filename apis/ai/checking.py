"""Whether gateways can do what an AI API is to offer: its models, prompts and rails, field by field."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from apis.ai import patterns
from apis.ai.offer import BODY_KIB, MOST_MODELS, MOST_OFFERED, Offer, Prompt, Rails, Variable
from apis.ai.patterns import PatternRefused

MASKS = ("email", "phone", "card")
KINDS = ("string", "integer", "number", "boolean")
ROLES = ("system", "user", "assistant")
# Of a parameter the bounds; whole numbers where they are.
PARAMETERS: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "max_tokens": (1, 1_000_000),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
}
MOST_PROMPTS, MOST_VARIABLES, MOST_MESSAGES, MOST_CHOICES = 20, 20, 10, 50
# Characters of all messages of a prompt, and of one value.
MOST_TEXT, MOST_VALUE = 16_000, 20_000
MOST_PATTERNS, MOST_BLOCKED = 10, 100
# Of all patterns together: each is looked for in every text.
MOST_UNBOUNDED = 12
_NAME = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")
VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PLACE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
PATTERN_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
MOST_NAME, MOST_TITLE = 40, 120


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever catches the refusal translates it."""
    return sentence


class OfferRefused(ValueError):  # noqa: N818  (reads as the sentence it is)
    """What no gateway could do, in a sentence, whose parts are `sentences`. `field`: models, prompts or one of the rails."""

    def __init__(self, field: str, *sentences: str, **named: object) -> None:
        super().__init__("".join(sentences) % named)
        self.field, self.sentences, self.named = field, sentences, named


Refuse = Callable[..., OfferRefused]


def check(offer: Offer) -> None:
    """
    :raises OfferRefused: the first thing that does not hold.
    """
    _check_models(offer.models)
    same = _("Two prompts have the same name, or one that differs in hyphens alone.")
    _once("prompts", (each.operation_id for each in offer.prompts), same)
    if len(offer.prompts) > MOST_PROMPTS:
        raise OfferRefused("prompts", _("An API has %(most)s prompts at most."), most=MOST_PROMPTS)
    for each in offer.prompts:
        _check_prompt(each, offer.models)
    _check_rails(offer.rails)


def _check_models(models: Iterable[str]) -> None:
    found = list(models)
    if not found:
        raise OfferRefused("models", _("Choose at least one model or alias."))
    if len(found) > MOST_MODELS:
        raise OfferRefused("models", _("An API offers %(most)s models at most."), most=MOST_MODELS)
    _once("models", found, _("Name each model once."))
    if any(len(each) > MOST_OFFERED for each in found):
        raise OfferRefused("models", _("There is no model whose name is that long."))


def _once(field: str, names: Iterable[str], sentence: str) -> None:
    found = list(names)
    if len(set(found)) != len(found):
        raise OfferRefused(field, sentence)


# --- prompts ----------------------------------------------------------------------------------------------------------


def _check_prompt(prompt: Prompt, models: Iterable[str]) -> None:
    def refuse(*sentences: str, **named: object) -> OfferRefused:
        return OfferRefused("prompts", _("Prompt “%(prompt)s”: "), *sentences, prompt=prompt.name[:40], **named)

    if len(prompt.name) > MOST_NAME or not _NAME.fullmatch(prompt.name):
        raise refuse(_("a name has up to 40 lower-case letters, digits and single hyphens, such as sum-up."))
    if not prompt.title.strip() or len(prompt.title) > MOST_TITLE or not prompt.title.isprintable():
        raise refuse(_("say in up to %(most)s characters what it does."), most=MOST_TITLE)
    if prompt.model not in models:
        raise refuse(_("the API offers no model %(model)s."), model=prompt.model[:MOST_OFFERED])
    _check_variables(prompt, refuse)
    _check_messages(prompt, refuse)
    for name, value in prompt.parameters.items():
        _check_parameter(name, value, refuse)


def _check_variables(prompt: Prompt, refuse: Refuse) -> None:
    if len(prompt.variables) > MOST_VARIABLES:
        raise refuse(_("it has %(most)s variables at most."), most=MOST_VARIABLES)
    _once("prompts", (each.name for each in prompt.variables), _("Each variable of a prompt has a name of its own."))
    for each in prompt.variables:
        if why := _wrong_with(each):
            raise refuse(_("the variable “%(variable)s”: "), why, variable=each.name[:40], most=MOST_VALUE)
    used = {name for each in prompt.messages for name in places(each.text)}
    if unused := [each.name for each in prompt.variables if each.name not in used]:
        raise refuse(_("no message has {{%(variable)s}} in it."), variable=unused[0])


def _check_messages(prompt: Prompt, refuse: Refuse) -> None:
    if not 1 <= len(prompt.messages) <= MOST_MESSAGES:
        raise refuse(_("it has 1 to %(most)s messages."), most=MOST_MESSAGES)
    if sum(len(each.text) for each in prompt.messages) > MOST_TEXT:
        raise refuse(_("its messages have %(most)s characters at most."), most=MOST_TEXT)
    known = {each.name for each in prompt.variables}
    for message in prompt.messages:
        if message.role not in ROLES:
            raise refuse(_("a message is said by system, user or assistant."))
        if not message.text.strip():
            raise refuse(_("no message is empty."))
        if strange := [name for name in places(message.text) if name not in known]:
            raise refuse(_("{{%(variable)s}} is none of its variables."), variable=strange[0][:40])


def _check_parameter(name: str, value: Any, refuse: Refuse) -> None:
    if name not in PARAMETERS:
        raise refuse(_("there is no parameter “%(parameter)s”; there are %(known)s."), parameter=name[:40], known=", ".join(PARAMETERS))
    least, most = PARAMETERS[name]
    whole = isinstance(least, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not least <= value <= most:
        raise refuse(_("%(parameter)s is between %(least)s and %(most)s."), parameter=name, least=least, most=most)


def places(text: str) -> list[str]:
    """The names in double braces."""
    return [each.strip() for each in _PLACE.findall(text)]


def _wrong_with(variable: Variable) -> str:
    """In a sentence; "" where nothing is."""
    if not VARIABLE.fullmatch(variable.name):
        return _("a name begins with a lower-case letter, and goes on with up to 39 of those, digits and underscores.")
    if variable.kind not in KINDS:
        return _("it is a string, an integer, a number or a boolean.")
    if not 1 <= variable.most <= MOST_VALUE:
        return _("a string has 1 to %(most)s characters.")
    if variable.choices and (variable.kind != "string" or len(variable.choices) > MOST_CHOICES):
        return _("up to 50 strings can be chosen from.")
    if len(set(variable.choices)) != len(variable.choices) or not all(1 <= len(each) <= 200 for each in variable.choices):
        return _("each choice is there once, with up to 200 characters.")
    if variable.default is not None:
        if variable.required:
            return _("what has a default need not be sent, so it is not required.")
        if not _fits(variable, variable.default):
            return _("its default is none that could be sent.")
    elif not variable.required:
        return _("what need not be sent has a default.")
    return ""


def _fits(variable: Variable, value: Any) -> bool:
    match variable.kind:
        case "string":
            return isinstance(value, str) and len(value) <= variable.most and (not variable.choices or value in variable.choices)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
        case _:
            return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def filled(text: str, values: dict[str, Any]) -> str:
    """The text with values in the places of its variables, as the gateway fills it."""
    return _PLACE.sub(lambda found: _written(values.get(found[1].strip(), "")), text)


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- rails ------------------------------------------------------------------------------------------------------------


def _check_rails(rails: Rails) -> None:
    _once("masks", rails.masks, _("Name each mask once."))
    for mask in rails.masks:
        if mask not in MASKS:
            raise OfferRefused("masks", _("“%(mask)s” is nothing that is masked; there are email, phone and card."), mask=mask[:40])
    if len(rails.patterns) > MOST_PATTERNS:
        raise OfferRefused("patterns", _("An API has %(most)s patterns at most."), most=MOST_PATTERNS)
    _once("patterns", (each.name for each in rails.patterns), _("Each pattern has a name of its own."))
    unbounded = 0
    for each in rails.patterns:
        if not PATTERN_NAME.fullmatch(each.name) or each.name in MASKS:
            said = _("“%(name)s” is no name for a pattern: up to 30 lower-case letters, digits and hyphens, such as customer-id.")
            raise OfferRefused("patterns", said, name=each.name[:40])
        try:
            unbounded += sum(lua.count("*") + lua.count("+") for lua in patterns.translated(each.regex))
        except PatternRefused as refused:
            raise OfferRefused("patterns", _("Pattern “%(name)s”: "), refused.sentence, name=each.name, **refused.named) from refused
    if unbounded > MOST_UNBOUNDED:
        raise OfferRefused("patterns", _("All patterns together have at most %(most)s of * and +."), most=MOST_UNBOUNDED)
    if len(rails.blocked) > MOST_BLOCKED:
        raise OfferRefused("blocked", _("An API blocks %(most)s words at most."), most=MOST_BLOCKED)
    _once("blocked", (each.lower() for each in rails.blocked), _("Name each blocked word once."))
    for word in rails.blocked:
        try:
            patterns.word(word)
        except PatternRefused as refused:
            raise OfferRefused("blocked", refused.sentence, **refused.named) from refused
    least, most = BODY_KIB
    if not least <= rails.body_kib <= most:
        raise OfferRefused("body_kib", _("A body may have %(least)s to %(most)s KiB."), least=least, most=most)
