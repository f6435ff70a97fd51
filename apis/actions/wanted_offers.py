"""What an AI API may say in a description, and what only it may; and tools for agents, in normal form."""

from collections.abc import Callable, Collection, Iterator
from typing import TypeAlias

from django.utils.translation import gettext as _

from apis import tools
from apis.ai import checking
from apis.ai.checking import OfferRefused
from apis.ai.offer import Offer
from apis.description import AI_VERSION, Entry
from apis.description.differing import OF_MODELS, is_ai

# A path, and what is wrong there.
Problem: TypeAlias = tuple[str, str]


def check(given: Entry, now: Entry | None, path: str, models: Collection[str], at: Callable[[str, str], None]) -> None:
    """
    :param models: those that there are. :param at: is told what can't be used, by path.
    """
    ai = is_ai(now or given)
    if now is not None and given.get("kind", "ai" if ai else "rest") != ("ai" if ai else "rest"):
        at(f"{path}.kind", "An API stays of the kind that it was made.")
    found = [*_of_ai(given, now), *_offer(given.get("offer"), models)] if ai else _of_others(given)
    for place, said in found:
        at(f"{path}.{place}", said)


def _of_others(given: Entry) -> Iterator[Problem]:
    if "offer" in given:
        yield "offer", "Only an AI API offers models: a new one with kind: ai."
    for index, each in enumerate(given.get("plans", ())):
        yield from ((f"plans.{index}.{name}", "Only a plan of an AI API has this.") for name in OF_MODELS if each.get(name))


def _of_ai(given: Entry, now: Entry | None) -> Iterator[Problem]:
    for index, each in enumerate(given.get("versions", ())):
        if each["name"] != AI_VERSION:
            yield f"versions.{index}.name", f"An AI API has one version, {AI_VERSION}."
        for name in ("document", "upstream", "mock"):
            if name in each:
                yield f"versions.{index}.{name}", "An AI API has none: what it offers stands in offer."
    if now is None and "offer" not in given:
        yield "offer", "A new AI API needs to say what it offers."
    elif now is None and not given.get("versions"):
        yield "versions", f"A new AI API has the version {AI_VERSION}; name it with its status."


def _offer(given: Entry | None, models: Collection[str]) -> Iterator[Problem]:
    if given is None:
        return
    try:
        checking.check(Offer.of(given))
    except OfferRefused as refused:
        place = refused.field if refused.field in {"models", "prompts"} else f"rails.{refused.field}"
        yield f"offer.{place}", "".join(map(_, refused.sentences)) % refused.named
    for model in given["models"]:
        if model not in models:
            yield "offer.models", _("There is no model %(model)s here.") % {"model": model}


def check_aliases(given: Collection[Entry], now: Entry, at: Callable[[str, str], None]) -> None:
    """They stand for models that there are, and for no other alias."""
    models = set(now["models"]) - {each["name"] for each in now["aliases"]}
    for index, each in enumerate(given):
        for target in each["targets"]:
            if target not in models:
                at(f"aliases.{index}.targets", _("There is no model %(model)s here.") % {"model": target})


def tool(given: Entry) -> Entry:
    name, said = given.get("name", "").strip(), given.get("description", "").strip()
    return {"operation": given["operation"], "name": name or tools.name_of(given["operation"]), "description": said}
