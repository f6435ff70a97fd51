"""The models of a provider, and what they cost."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apis.actions import ai_models
from apis.ai import catalogue
from apis.ai.catalogue import CURRENCY, MOST_CONTEXT, CatalogueRefused
from apis.models import FormerPrice, Provider, ProviderModel
from tenants import events, limits
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, User

PRICES = ("input", "output", "cached")
FIELDS = ("name", "context", *PRICES, "currency")


@transaction.atomic
def add(provider: Provider, *, given: Mapping[str, Any], by: User) -> ProviderModel:
    """
    :param given: `FIELDS`; what is left out is not known, and the currency the catalogue's.
    :raises Invalid: by field.
    """
    made = ProviderModel(provider=provider, **{"currency": catalogue.catalogue().currency, **given})
    _check(made)
    lock = events.lock()
    if not Provider.objects.filter(pk=provider.pk).exists():
        raise NotAllowed(_("Somebody has removed the provider “%(provider)s” meanwhile.") % {"provider": provider})
    _check_name(made)
    if provider.models.count() >= limits.MODELS_PER_PROVIDER:
        said = _("There are %(most)s models, which is as many as a provider may have. Remove one first.")
        raise NotAllowed(said % {"most": limits.MODELS_PER_PROVIDER})
    made.prices_since = lock.now
    made.save(force_insert=True)
    events.record("provider_model.added", made, by=by, provider=provider.name, now=_facts(made))
    return made


@transaction.atomic
def change(model: ProviderModel, *, given: Mapping[str, Any], by: User) -> Event | None:
    """What is left out stays. A price that changes counts from now on; the former one is kept. None if nothing changed.

    :raises Invalid: by field.
    """
    lock = events.lock()
    model = again(model)
    was = _facts(model)
    former = FormerPrice(
        model=model, since=model.prices_since, until=lock.now, **{each: getattr(model, each) for each in (*PRICES, "currency")}
    )
    for field, value in given.items():
        setattr(model, field, value)
    _check(model)
    now = _facts(model)
    differs = [each for each in now if now[each] != was[each]]
    if not differs:
        return None
    _check_name(model)
    if was["name"] != now["name"]:
        _hold_to_uses(model, was["name"])
    if {*PRICES, "currency"} & {*differs}:
        former.save(force_insert=True)
        model.prices_since = lock.now
    model.save()
    before, after = ({each: facts[each] for each in differs} for facts in (was, now))
    return events.record("provider_model.changed", model, by=by, provider=model.provider.name, was=before, now=after)


@transaction.atomic
def remove(model: ProviderModel, *, by: User) -> Event:
    """With what it cost before.

    :raises NotAllowed: where it is in use.
    """
    events.lock()
    model = again(model)
    _hold_to_uses(model, model.name)
    event = events.record("provider_model.removed", model, by=by, provider=model.provider.name)
    model.delete()
    return event


def again(model: ProviderModel) -> ProviderModel:
    """As it is now, under the lock.

    :raises NotAllowed: somebody has removed it since it was read.
    """
    found = ProviderModel.objects.select_related("provider").filter(pk=model.pk).first()
    if found is None:
        raise NotAllowed(_("Somebody has removed the model “%(model)s” meanwhile.") % {"model": model})
    return found


def _hold_to_uses(model: ProviderModel, name: str) -> None:
    """:raises NotAllowed: callers ask for it by this name."""
    if found := ai_models.uses(f"{model.provider.slug}/{name}"):
        said = _("The model “%(model)s” is in use: %(places)s. Take it out there first.")
        raise NotAllowed(said % {"model": name, "places": ai_models.places(found)})


def plain(price: Decimal | None) -> str | None:
    """Without zeros behind it: 0.150000 is 0.15."""
    return None if price is None else f"{price.normalize():f}"


def _facts(model: ProviderModel) -> dict[str, Any]:
    """As events write them down."""
    return {
        "name": model.name, "context": model.context, **{each: plain(getattr(model, each)) for each in PRICES}, "currency": model.currency,
    }  # fmt: skip


def _check(model: ProviderModel) -> None:
    problems: dict[str, list[str]] = {}
    try:
        catalogue.check_model(model.name)
    except CatalogueRefused as refused:
        problems["name"] = [_(refused.sentence) % refused.named]
    if model.context is not None and not 1 <= model.context <= MOST_CONTEXT:
        problems["context"] = [_("Between 1 and 100,000,000 tokens.")]
    for field in PRICES:
        try:
            if (price := getattr(model, field)) is not None:
                catalogue.check_price(price)
        except CatalogueRefused as refused:
            problems[field] = [_(refused.sentence) % refused.named]
    if not CURRENCY.fullmatch(model.currency):
        problems["currency"] = [_("A currency has three capital letters, such as USD.")]
    if problems:
        raise Invalid(problems)


def _check_name(model: ProviderModel) -> None:
    if ProviderModel.objects.filter(provider=model.provider_id, name=model.name).exclude(pk=model.pk).exists():
        raise Invalid({"name": [_("This provider has a model of this name already.")]})
