"""Providers of AI models: connecting one, changing where it is and what it speaks, and removing it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from apis import upstreams
from apis.actions import ai_models
from apis.actions.provider_keys import seal_key
from apis.actions.resolving import RESOLVE_JOB
from apis.ai import catalogue
from apis.ai.catalogue import CatalogueRefused, Dialect, Kind
from apis.models import Provider, ProviderKey, ProviderModel
from apis.upstreams import Address, UpstreamRefused
from tenants import addresses, due, events, limits
from tenants.errors import Invalid, NotAllowed
from tenants.models import MAX_SLUG, SLUG, Event, User
from tenants.models.base import new_id
from tenants.scope import current_tenant_id, held_lock

TIMES = {"first_byte_ms": (1_000, 300_000), "silence_ms": (1_000, 600_000)}
FIRST_LABEL = "1"


@transaction.atomic
def connect(
    *,
    kind: str,
    by: User,
    slug: str = "",
    name: str = "",
    url: str = "",
    key: str = "",
    dialects: Iterable[Mapping[str, Any]] | None = None,
    resolver: addresses.Resolver = addresses.look_up,
    **times: int,
) -> Provider:
    """What is left out is as the catalogue of kinds has it; its models and their prices come from there, too.

    :param key: the first one, "" for none yet.
    :raises Invalid: by field.
    """
    of = catalogue.catalogue().kind(kind)
    if of is None:
        raise Invalid({"kind": [_("There is no such kind of provider.")]})
    slug, name = slug or of.key, name or of.name
    problems: dict[str, list[str]] = {}
    _check_slug(slug, problems)
    speaks = _dialects([each.told for each in of.dialects] if dialects is None else dialects, problems)
    address, lies = _address(url or of.url, speaks, problems, resolver)
    _check_times(times, problems)
    provider = Provider(pk=new_id(), tenant_id=current_tenant_id(), slug=slug, name=name, kind=of.key, **times)
    first = _first_key(provider, key, problems)
    if problems or address is None:
        raise Invalid(problems)
    provider.scheme, provider.host, provider.port, provider.path = address.scheme, address.host, address.port, address.path
    provider.dialects = [each.told for each in speaks]
    lock = events.lock()
    _lies(provider, lies, lock.now)
    if Provider.objects.filter(slug=slug).exists():
        raise Invalid({"slug": [_("There is a provider “%(slug)s” already. Choose another short name.") % {"slug": slug}]})
    if Provider.objects.count() >= limits.PROVIDERS:
        said = _("There are %(most)s providers, which is as many as a tenant may have. Remove one first.")
        raise NotAllowed(said % {"most": limits.PROVIDERS})
    provider.save(force_insert=True)
    models = _models(provider, of, lock.now)
    ProviderModel.objects.bulk_create(models)
    told: dict[str, Any] = {"provider_kind": of.key, "host": provider.netloc, "models": len(models)}
    events.record("provider.connected", provider, by=by, slug=slug, **told)
    if first is not None:
        first.state_since = lock.now
        first.save(force_insert=True)
        events.record("provider_key.added", first, by=by, provider=provider.name, priority=first.priority, weight=first.weight)
    return provider


@transaction.atomic
def change(
    provider: Provider,
    *,
    by: User,
    name: str | None = None,
    url: str | None = None,
    dialects: Iterable[Mapping[str, Any]] | None = None,
    resolver: addresses.Resolver = addresses.look_up,
    **times: int,
) -> Event | None:
    """What is left out stays. None if nothing changed.

    :raises Invalid: by field. :raises NotAllowed: its keys would go to a server that they were not given for.
    """
    problems: dict[str, list[str]] = {}
    speaks = provider.speaks if dialects is None else _dialects(dialects, problems)
    address, lies = (None, ()) if url is None or url == provider.url else _address(url, speaks, problems, resolver)
    _check_times(times, problems)
    if problems:
        raise Invalid(problems)
    lock = events.lock()
    provider = again(provider)
    was = _facts(provider)
    provider.name = provider.name if name is None else name
    provider.dialects = provider.dialects if dialects is None else [each.told for each in speaks]
    if address is not None:
        _hold_to_its_server(provider, address)
        if lies or address.host != provider.host:
            _lies(provider, lies, lock.now)
        provider.scheme, provider.host, provider.port, provider.path = address.scheme, address.host, address.port, address.path
    for field, value in times.items():
        setattr(provider, field, value)
    now = _facts(provider)
    differs = [each for each in now if now[each] != was[each]]
    if not differs:
        return None
    provider.save()
    before, after = ({each: facts[each] for each in differs} for facts in (was, now))
    return events.record("provider.changed", provider, by=by, was=before, now=after)


@transaction.atomic
def remove(provider: Provider, *, by: User) -> Event:
    """With its keys, its models and what they cost.

    :raises NotAllowed: where a model of it is in use.
    """
    events.lock()
    provider = again(provider)
    if found := ai_models.uses_of_provider(provider.slug):
        said = _("Models of %(provider)s are in use: %(places)s. Take them out there first.")
        raise NotAllowed(said % {"provider": provider, "places": ai_models.places(found)})
    told: dict[str, Any] = {
        "slug": provider.slug,
        "host": provider.netloc,
        "keys": provider.keys.count(),
        "models": provider.models.count(),
    }
    event = events.record("provider.removed", provider, by=by, **told)
    provider.delete()
    return event


def again(provider: Provider) -> Provider:
    """As it is now, under the lock.

    :raises NotAllowed: somebody has removed it since it was read.
    """
    found = Provider.objects.filter(pk=provider.pk).first()
    if found is None:
        raise NotAllowed(_("Somebody has removed the provider “%(provider)s” meanwhile.") % {"provider": provider})
    return found


def _facts(provider: Provider) -> dict[str, Any]:
    """As events write them down."""
    return {"name": provider.name, "url": provider.url, "dialects": provider.dialects, **{each: getattr(provider, each) for each in TIMES}}


def _first_key(provider: Provider, key: str, problems: dict[str, list[str]]) -> ProviderKey | None:
    if not key:
        return None
    first = ProviderKey(pk=new_id(), tenant_id=current_tenant_id(), provider=provider, label=FIRST_LABEL)
    try:
        seal_key(first, key)
    except Invalid as refused:
        problems |= refused.problems
    return first


def _models(provider: Provider, of: Kind, now: Any) -> list[ProviderModel]:
    currency = catalogue.catalogue().currency
    return [
        ProviderModel(
            provider=provider, name=each.name, context=each.context, input=each.input, output=each.output, cached=each.cached,
            currency=currency, prices_since=now,
        )
        for each in of.models
    ]  # fmt: skip


def _check_slug(slug: str, problems: dict[str, list[str]]) -> None:
    try:
        SLUG(slug)
    except ValidationError as error:
        problems["slug"] = error.messages
    if len(slug) > MAX_SLUG:
        problems["slug"] = [_("%(most)s characters are the most.") % {"most": MAX_SLUG}]


def _check_times(times: Mapping[str, int], problems: dict[str, list[str]]) -> None:
    for name, value in times.items():
        least, most = TIMES[name]
        if not least <= value <= most:
            problems[name] = [_("Between %(least)s and %(most)s milliseconds.") % {"least": least, "most": most}]


def _dialects(told: Iterable[Mapping[str, Any]], problems: dict[str, list[str]]) -> tuple[Dialect, ...]:
    try:
        return catalogue.check_dialects(told)
    except CatalogueRefused as refused:
        problems["dialects"] = [_(refused.sentence) % refused.named]
        return ()


def _address(
    url: str, speaks: Iterable[Dialect], problems: dict[str, list[str]], resolver: addresses.Resolver
) -> tuple[Address | None, tuple[str, ...]]:
    """Where that is, without the prefix of a format, with which providers write their addresses; and what its name resolves to.

    Under the lock nobody waits for a name: then there are no addresses yet, and the job finds them.
    """
    there: tuple[str, ...] = ()
    if not url:
        problems["url"] = [_("Write the base URL: every customer of this kind has another.")]
        return None, there
    try:
        found = upstreams.parse(url)
        # Which `If-Match` takes first. It is looked up before it is called anyway.
        if held_lock() is None or not addresses.is_name(found.host):
            there = upstreams.resolve(found, allowed=settings.UPSTREAM_NETWORKS, resolver=resolver)
            if found.scheme == "http" and not all(addresses.is_allowed(each, allowed=settings.UPSTREAM_NETWORKS) for each in there):
                problems["url"] = [_("The base URL begins with https://. Without TLS the key could be read on its way.")]
    except UpstreamRefused as refused:
        problems["url"] = [str(refused)]
        return None, ()
    ends = [each.prefix for each in speaks if each.prefix and found.path.endswith(each.prefix)]
    path = found.path.removesuffix(max(ends, key=len, default=""))
    return Address(found.scheme, found.host, found.port, path), there


def _lies(provider: Provider, there: tuple[str, ...], now: datetime) -> None:
    """At these addresses, as far as they are known; a job looks at once, and again and again."""
    provider.addresses, provider.resolved_at = list(there), now if there else None
    due.expect(RESOLVE_JOB, now)


def _hold_to_its_server(provider: Provider, address: Address) -> None:
    """:raises NotAllowed: whoever may change addresses could have its keys sent to themselves, and read them."""
    moves = (address.scheme, address.host, address.port) != (provider.scheme, provider.host, provider.port)
    if moves and provider.keys.exists():
        said = _("The keys were given for %(host)s. Remove them first, then change the base URL and add keys for the new one.")
        raise NotAllowed(said % {"host": provider.netloc})
