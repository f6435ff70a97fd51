"""What gateways should do with the calls of AI APIs: which keys, models, prompts and rails their revisions have, as providers are today.

Of an AI API its revision decides what is offered, and what callers may send; who answers is looked up anew each time, from providers, their
keys and aliases, so that a key that was refused is out of the way at once, and so that no earlier routes bring one back.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from apis import upstreams
from apis.ai import patterns
from apis.ai.catalogue import Dialect
from apis.ai.offer import Offer
from apis.models import ContentLogging, ModelAlias, Plan, Provider, ProviderKey, Revision
from gateway.envoy.ai import state
from keys.envelope import Unavailable, Unreadable, unseal
from keys.kek import kek
from tenants import addresses

log = logging.getLogger(__name__)

# What stands beside a revision in a RoutesRef: {provider id: [address]}.
Addresses = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Providers:
    """All that the tenant in scope has connected, read once."""

    by_slug: Mapping[str, Provider] = field(default_factory=dict)
    keys: Mapping[Any, Sequence[ProviderKey]] = field(default_factory=dict)
    aliases: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)

    @classmethod
    def read(cls) -> "Providers":
        by_slug = {each.slug: each for each in Provider.objects.order_by("slug")}
        keys: dict[Any, list[ProviderKey]] = {}
        # One that somebody switched off gets no call, whatever else there is.
        for key in ProviderKey.objects.exclude(state=ProviderKey.State.OFF).order_by("priority", "id"):
            keys.setdefault(key.provider_id, []).append(key)
        return cls(by_slug, keys, dict(ModelAlias.objects.values_list("name", "targets")))

    def targets(self, name: str) -> list[tuple[Provider, str]]:
        """Who answers for what callers ask for, in order, and as what. One that is gone answers nothing."""
        if (alias := self.aliases.get(name)) is not None:
            told = [(each["provider"], each["model"]) for each in alias]
        else:
            slug, _, model = name.partition("/")
            told = [(slug, model)]
        return [(self.by_slug[slug], model) for slug, model in told if slug in self.by_slug]


def contents() -> dict[Any, state.Content]:
    """By API what of its calls gateways tell in a log of its own, of the tenant in scope."""
    rows = ContentLogging.objects.filter(enabled=True).values_list("api", "requests", "answers")
    return {api: state.Content(requests, answers) for api, requests, answers in rows}


def used(revisions: Iterable[Mapping[str, Any]], there: Providers) -> list[dict[str, list[str]]]:
    """For what each of these revisions offers (`Revision.ai`), the addresses of the providers that answer it."""
    return [
        {
            str(provider.pk): sorted(provider.addresses)
            for provider in sorted({of for name in told["models"] for of, _ in there.targets(name)}, key=lambda each: each.slug)
        }
        for told in revisions
    ]


def ai(revision: Revision, ref: Addresses, there: Providers, *, content: state.Content | None = None, secrets: bool = True) -> state.Ai:
    """:param ref: the addresses that go with these routes; a provider that is not among them has those of today."""
    assert revision.ai is not None
    offer = Offer.of(revision.ai)
    opened = _Opened(ref, secrets=secrets)
    models = [_model(name, there, opened) for name in sorted(offer.models)]
    prompts = sorted(map(_prompt, offer.prompts), key=lambda each: each.path)
    keys = sorted(opened.keys.values(), key=lambda each: (each.id, each.format))
    return state.Ai(tuple(keys), tuple(filter(None, models)), tuple(prompts), _rails(offer), content)


def of_plan(plan: Plan) -> dict[str, Any]:
    """What a grant says of a plan, beside the calls."""
    return {
        "models": tuple(sorted(plan.models)),
        "max_tokens": plan.max_tokens or 0,
        "tokens_per_minute": plan.tokens_per_minute or 0,
    }


class _Opened:
    """Keys as gateways get them, each opened once; None of one that can't be read, which is as if it was not there."""

    def __init__(self, ref: Addresses, *, secrets: bool) -> None:
        self.ref, self.secrets = ref, secrets
        self.keys: dict[tuple[Any, str], state.Key] = {}
        self._unreadable: set[tuple[Any, str]] = set()

    def has(self, key: ProviderKey, provider: Provider, dialect: Dialect) -> bool:
        at = (key.pk, dialect.format)
        if at in self.keys or at in self._unreadable:
            return at in self.keys
        try:
            secret = unseal(key.sealed, key.sealed_for, kek()).decode() if self.secrets else ""
        except (Unreadable, Unavailable) as error:
            # It must not hold up what takes access away.
            log.warning("The key %s of the provider %s can't be read: %s", key.pk, provider.slug, error)
            self._unreadable.add(at)
            return False
        self.keys[at] = self._key(key, provider, dialect, secret)
        return True

    def _key(self, key: ProviderKey, provider: Provider, dialect: Dialect, secret: str) -> state.Key:
        prefix = f"{provider.path}{dialect.prefix}"
        parts = (
            provider.scheme, provider.host, provider.port, prefix, dialect.header, dialect.value, key.sealed, dialect.include_usage,
        )  # fmt: skip
        return state.Key(
            id=str(key.pk),
            format=dialect.format,
            digest=hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16],
            provider=provider.slug,
            scheme=provider.scheme,
            host=provider.host,
            port=provider.port,
            addresses=_reachable(provider, self.ref),
            prefix=prefix,
            header=dialect.header,
            secret=dialect.headers(secret)[dialect.header].encode() if self.secrets else b"",
            usage=dialect.include_usage,
        )


def _reachable(provider: Provider, ref: Addresses) -> tuple[str, ...]:
    """The operator may have closed a network since. Without TLS calls go to networks of theirs alone: a key goes along."""
    allowed = settings.UPSTREAM_NETWORKS
    known = ref.get(str(provider.pk), provider.addresses) if addresses.is_name(provider.host) else [provider.host]
    found = upstreams.reachable(known, allowed=allowed)
    if provider.scheme == "http":
        found = [each for each in found if addresses.is_allowed(each, allowed=allowed)]
    return tuple(sorted(found))


def _model(name: str, there: Providers, opened: _Opened) -> state.Model | None:
    """None where nobody answers it any more."""
    targets = there.targets(name)
    if not targets:
        return None
    return state.Model(
        name=name,
        openai=_attempts(targets, "openai", there, opened),
        anthropic=_attempts(targets, "anthropic", there, opened),
        names=tuple((provider.slug, model) for provider, model in targets),
        first_byte_ms=max(provider.first_byte_ms for provider, _ in targets),
        silence_ms=max(provider.silence_ms for provider, _ in targets),
    )


def _attempts(targets: Iterable[tuple[Provider, str]], spoken: str, there: Providers, opened: _Opened) -> tuple[state.Group, ...]:
    """The providers that speak it in order, of each its keys by priority, of those the ones that work. Where none does, the last ones:
    then callers hear what the provider says, and whether a key works again is seen.
    """
    every: list[list[ProviderKey]] = []
    for provider, _model_there in targets:
        dialect = next((each for each in provider.speaks if each.format == spoken), None)
        if dialect is None:
            continue
        by_priority: dict[int, list[ProviderKey]] = {}
        for key in there.keys.get(provider.pk, ()):
            # Those that don't work just now are opened, too: their cluster stays for the time when they do.
            if opened.has(key, provider, dialect):
                by_priority.setdefault(key.priority, []).append(key)
        every += by_priority.values()
    working = [[key for key in group if key.state == ProviderKey.State.ON] for group in every]
    groups = [group for group in working if group] or every[-1:]
    return tuple(tuple((str(key.pk), key.weight) for key in group) for group in groups)


def _prompt(prompt: Any) -> state.Prompt:
    variables = tuple(
        state.Variable(each.name, each.kind, each.required, each.default, each.choices, each.most if each.kind == "string" else 0)
        for each in prompt.variables
    )
    messages = tuple((each.role, each.text) for each in prompt.messages)
    return state.Prompt(prompt.operation_id, prompt.path, prompt.model, variables, messages, tuple(sorted(prompt.parameters.items())))


def _rails(offer: Offer) -> state.Rails:
    rails = offer.rails
    return state.Rails(
        masks=tuple(sorted(rails.masks)),
        patterns=tuple((each.name, lua) for each in rails.patterns for lua in patterns.translated(each.regex)),
        blocked=tuple(map(patterns.word, rails.blocked)),
        body_kib=rails.body_kib,
    )
