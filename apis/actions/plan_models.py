"""What a plan of an AI API allows beside calls: which models, and how many tokens."""

from collections.abc import Collection, Mapping
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from apis.ai.offer import MOST_TOKENS
from apis.models import Api, Revision
from tenants.errors import Invalid

TOKENS = ("max_tokens", "tokens_per_minute")
FIELDS = ("models", *TOKENS)


def offered(api: Api) -> list[str]:
    """What callers of an AI API may ask for now, in order."""
    rows = Revision.objects.filter(live_in__api=api, ai__isnull=False).values_list("ai__models", flat=True)
    return sorted({name for models in rows for name in models})


def checked(api: Api, given: Mapping[str, Any]) -> dict[str, Any]:
    """As a plan keeps it: 0 tokens, as None, is no bound. Of what stays the same nothing is asked, see `apis.actions.plans`.

    :param given: some of FIELDS. :raises Invalid: by field.
    """
    problems: dict[str, list[str]] = {}
    for name in TOKENS:
        if (many := given.get(name)) is not None and not 0 <= many <= MOST_TOKENS:
            most = number_format(MOST_TOKENS, force_grouping=True)
            problems[name] = [_("Between 1 and %(most)s tokens.") % {"most": most}]
    models = given.get("models")
    if models is not None:
        problems |= _unknown(api, models)
    said = {name: value for name, value in given.items() if value}
    if said and not api.is_ai:
        problems = {name: [_("%(api)s is no AI API, so its plans have no models and no tokens.") % {"api": api}] for name in said}
    if problems:
        raise Invalid(problems)
    return {name: sorted(set(value)) if name == "models" else value or None for name, value in given.items() if value is not None}


def _unknown(api: Api, models: Collection[str]) -> dict[str, list[str]]:
    there = offered(api)
    missing = [each for each in models if each not in there]
    return {"models": [_("%(api)s offers no model “%(model)s”.") % {"api": api, "model": missing[0][:161]}]} if missing else {}
