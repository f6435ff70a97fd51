"""Aliases: names that callers ask for in place of a model. Who answers is changed here, and no caller changes anything."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apis.actions import ai_models
from apis.models import ModelAlias, ProviderModel
from tenants import events, limits
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, User

NAME = re.compile(r"[a-z0-9](?:[._-]?[a-z0-9])*")
MOST_NAME = 40
MOST_TARGETS = 10

Targets = Iterable[Mapping[str, str]]


@transaction.atomic
def create(*, name: str, targets: Targets, by: User) -> ModelAlias:
    """
    :param targets: in order, each `{"provider": slug, "model": name}`.
    :raises Invalid: by field.
    """
    problems = _name_problems(name)
    wanted = _shaped(targets, problems)
    events.lock()
    _known(wanted, problems)
    if not problems and ModelAlias.objects.filter(name=name).exists():
        problems["name"] = [_("There is an alias “%(name)s” already.") % {"name": name}]
    if problems:
        raise Invalid(problems)
    if ModelAlias.objects.count() >= limits.ALIASES:
        said = _("There are %(most)s aliases, which is as many as a tenant may have. Delete one first.")
        raise NotAllowed(said % {"most": limits.ALIASES})
    alias = ModelAlias.objects.create(name=name, targets=wanted)
    events.record("model_alias.created", alias, by=by, targets=named(wanted))
    return alias


@transaction.atomic
def change(alias: ModelAlias, *, by: User, targets: Targets | None = None) -> Event | None:
    """Who answers from now on; its name stays, since callers know it. None if nothing changed.

    :raises Invalid: by field.
    """
    problems: dict[str, list[str]] = {}
    wanted = None if targets is None else _shaped(targets, problems)
    events.lock()
    alias = again(alias)
    if wanted is not None:
        _known(wanted, problems)
    if problems:
        raise Invalid(problems)
    if wanted is None or wanted == alias.targets:
        return None
    was, alias.targets = alias.targets, wanted
    alias.save(update_fields=["targets"])
    return events.record("model_alias.changed", alias, by=by, was=named(was), now=named(wanted))


@transaction.atomic
def delete(alias: ModelAlias, *, by: User) -> Event:
    """:raises NotAllowed: where it is in use."""
    events.lock()
    alias = again(alias)
    if found := ai_models.uses(alias.name):
        said = _("The alias “%(alias)s” is in use: %(places)s. Take it out there first.")
        raise NotAllowed(said % {"alias": alias, "places": ai_models.places(found)})
    event = events.record("model_alias.deleted", alias, by=by, targets=named(alias.targets))
    alias.delete()
    return event


def again(alias: ModelAlias) -> ModelAlias:
    """As it is now, under the lock.

    :raises NotAllowed: somebody has deleted it since it was read.
    """
    found = ModelAlias.objects.filter(pk=alias.pk).first()
    if found is None:
        raise NotAllowed(_("Somebody has deleted the alias “%(alias)s” meanwhile.") % {"alias": alias})
    return found


def named(targets: Targets) -> list[str]:
    """As people write them: “openai/gpt-5”."""
    return [f"{each['provider']}/{each['model']}" for each in targets]


def _name_problems(name: str) -> dict[str, list[str]]:
    if len(name) <= MOST_NAME and NAME.fullmatch(name):
        return {}
    return {
        "name": [_("An alias has up to 40 lower-case letters and digits, with single hyphens, dots or underscores between, such as fast.")]
    }


def _shaped(targets: Targets, problems: dict[str, list[str]]) -> list[dict[str, str]]:
    wanted = [{"provider": each["provider"], "model": each["model"]} for each in targets]
    if not wanted:
        problems["targets"] = [_("Name at least one model that answers.")]
    elif len(wanted) > MOST_TARGETS:
        problems["targets"] = [_("An alias has %(most)s targets at most.") % {"most": MOST_TARGETS}]
    elif len({each["provider"] for each in wanted}) != len(wanted):
        problems["targets"] = [_("Name one model of each provider: whoever takes over is another provider.")]
    return wanted


def _known(wanted: Iterable[Mapping[str, Any]], problems: dict[str, list[str]]) -> None:
    there = {tuple(each) for each in ProviderModel.objects.values_list("provider__slug", "name")}
    for each in wanted:
        if (each["provider"], each["model"]) not in there and "targets" not in problems:
            problems["targets"] = [_("There is no model %(model)s here.") % {"model": f"{each['provider']}/{each['model']}"[:161]}]
