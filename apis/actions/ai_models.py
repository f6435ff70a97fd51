"""What callers of AI APIs can ask for, providers' models and aliases, and where each is in use."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apis.models import Api, ModelAlias, Plan, Provider, ProviderModel, Revision

# So many places are named in a refusal.
NAMED = 3


@dataclass(frozen=True, slots=True)
class Askable:
    """`formats`: those in which it can be asked, as its providers speak them."""

    name: str
    formats: frozenset[str]
    alias: bool = False


def askable() -> list[Askable]:
    """All that the tenant in scope has, the aliases first."""
    speaks = {each.slug: frozenset(dialect.format for dialect in each.speaks) for each in Provider.objects.all()}
    rows = ProviderModel.objects.order_by("provider__slug", "name").values_list("provider__slug", "name")
    return [
        *(
            Askable(name, frozenset().union(*(speaks.get(each["provider"], frozenset()) for each in targets)), alias=True)
            for name, targets in ModelAlias.objects.order_by("name").values_list("name", "targets")
        ),
        *(Askable(f"{slug}/{model}", speaks[slug]) for slug, model in rows),
    ]


def catalogue_of(api: Api) -> list[dict[str, Any]]:
    """What callers of an AI API may ask for now: in which formats, who answers in which order, and what the first of them is and costs."""
    rows = Revision.objects.filter(live_in__api=api, ai__isnull=False).values_list("ai__models", flat=True)
    offered = sorted({name for models in rows for name in models})
    if not offered:
        return []
    formats = {each.name: sorted(each.formats) for each in askable()}
    aliases = {name: [f"{each['provider']}/{each['model']}" for each in targets] for name, targets in _targets()}
    models = {f"{each.provider.slug}/{each.name}": each for each in ProviderModel.objects.select_related("provider")}
    found = []
    for name in offered:
        answers = aliases.get(name, [name])
        first = models.get(answers[0])
        facts = {field: getattr(first, field, None) for field in ("context", "input", "output", "cached", "currency")}
        found.append({"name": name, "formats": formats.get(name, []), "answers": answers, **facts})
    return found


def _targets() -> Iterable[tuple[str, list[dict[str, str]]]]:
    return ModelAlias.objects.values_list("name", "targets")


def unknown(names: Iterable[str]) -> list[str]:
    """Those that nobody answers."""
    there = {each.name for each in askable()}
    return [each for each in names if each not in there]


def _in_use() -> list[tuple[str, list[str]]]:
    """Of revisions that callers reach, or are tried: the API, and what it offers."""
    reached = Q(live_in__isnull=False) | Q(open_until__gt=Now())
    rows = Revision.objects.filter(reached, ai__isnull=False).order_by("version__api__name").distinct()
    return [(name, models or []) for name, models in rows.values_list("version__api__name", "ai__models")]


def uses(name: str) -> list[str]:
    """Where what callers ask for is in use, in words."""
    apis = {api: None for api, models in _in_use() if name in models}
    rows = Plan.objects.filter(models__contains=[name], api__kind=Api.Kind.AI).exclude(status=Plan.Status.CLOSED)
    plans = rows.order_by("api__name", "name").values_list("api__name", "name")
    aliases = ModelAlias.objects.filter(targets__contains=[_target(name)]).order_by("name") if "/" in name else ()
    return [
        *(_("the alias %(alias)s") % {"alias": each.name} for each in aliases),
        *(_("the API %(api)s") % {"api": each} for each in apis),
        *(_("the plan %(plan)s of %(api)s") % {"plan": plan, "api": api} for api, plan in plans),
    ]


def uses_of_provider(slug: str) -> list[str]:
    """Where any model of the provider is."""
    aliases = ModelAlias.objects.filter(targets__contains=[{"provider": slug}]).order_by("name")
    apis = {api: None for api, models in _in_use() if any(each.startswith(f"{slug}/") for each in models)}
    return [
        *(_("the alias %(alias)s") % {"alias": each.name} for each in aliases),
        *(_("the API %(api)s") % {"api": each} for each in apis),
    ]


def places(found: Collection[str]) -> str:
    """The first few, as a refusal names them."""
    named = list(found)
    return ", ".join(named[:NAMED]) + (" …" if len(named) > NAMED else "")


def _target(name: str) -> Mapping[str, str]:
    slug, _slash, model = name.partition("/")
    return {"provider": slug, "model": model}
