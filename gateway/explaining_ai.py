"""The facts behind what only calls of AI APIs are refused for: models, tokens, texts, budgets, and providers that don't answer."""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apis.actions import budgets
from apis.ai.offer import Variable
from apis.budgets import Budget, units
from apis.models import BudgetUse, ModelAlias, Plan, Provider, ProviderKey
from gateway.models import GatewayNode
from gateway.refused_case import Case, Fact, moment
from tenants.models import Event
from tenants.scope import current_tenant_id

# So many models, variables and plans are named.
NAMED = 20
_State = ProviderKey.State
_KEY_KINDS = ("provider_key.refused", "provider_key.exhausted", "provider_key.failing")


def _named(names: Sequence[str]) -> str:
    return ", ".join([*names[:NAMED], *(["…"] if len(names) > NAMED else [])])


def _many(number: int) -> str:
    return number_format(number, force_grouping=True)


# Models


def _unknown(case: Case) -> Fact:
    if case.api is None or case.version is None or case.offer is None:
        return Fact()
    event, asked, offered = _live(case), case.refusal.asked, _named(case.offer.models)
    if not asked:
        return Fact(_("The call named no model; the API offers %(offered)s.") % {"offered": offered}, event)
    if asked in case.offer.models:
        return Fact(_("The API offers %(model)s, but no provider answers it at this endpoint.") % {"model": asked}, event)
    return Fact(_("It asked for %(model)s; the API offers %(offered)s.") % {"model": asked, "offered": offered}, event)


def _live(case: Case) -> Event | None:
    """Since when the API is as it is."""
    assert case.version is not None
    return case.last(["revision.live"], *case.version.revisions.values_list("pk", flat=True))


def _not_in_plan(case: Case) -> Fact:
    subscription = case.subscription
    if subscription is None:
        return Fact()
    plan, asked = subscription.plan, case.refusal.asked
    event = _terms(case)
    if not asked or not plan.models:
        return Fact(event=event)
    said = _("It asked for %(model)s; the plan %(plan)s includes %(models)s.")
    told = said % {"model": asked, "plan": plan.name, "models": _named(plan.models)}
    if case.offer is not None and asked not in case.offer.models:
        # Plans are looked at first.
        return Fact(" ".join((told, _("The API offers no such model."))), event)
    others = Plan.objects.filter(api=subscription.api_id).offered().visible_to(case.user, case.permissions).exclude(pk=plan.pk)
    including = [each.name for each in others.order_by("name") if not each.models or asked in each.models]
    if including:
        more = ngettext("The plan %(plans)s includes it.", "The plans %(plans)s include it.", len(including))
        told = f"{told} {more % {'plans': _named(including)}}"
    return Fact(told, event)


def _terms(case: Case) -> Event | None:
    """What made the terms of the caller's plan so."""
    subscription = case.subscription
    if subscription is None:
        return None
    kinds = ["subscription.approved", "subscription.added", "subscription.plan_changed"]
    return case.last(["plan.changed"], subscription.plan_id) or case.last(kinds, subscription.pk)


# Tokens


def _too_many(case: Case) -> Fact:
    subscription = case.subscription
    if subscription is None or subscription.plan.max_tokens is None:
        return Fact()
    said = _("The plan %(plan)s lets a call ask for up to %(many)s tokens.")
    return Fact(said % {"plan": subscription.plan.name, "many": _many(subscription.plan.max_tokens)}, _terms(case))


def _in_a_minute(case: Case) -> Fact:
    subscription = case.subscription
    if subscription is None or subscription.plan.tokens_per_minute is None:
        return Fact()
    said = _("The plan %(plan)s has %(many)s tokens a minute for all calls of the application together.")
    return Fact(said % {"plan": subscription.plan.name, "many": _many(subscription.plan.tokens_per_minute)}, _terms(case))


# What is sent


def _not_json(case: Case) -> Fact:
    if "lua" in case.refusal.details:
        return Fact(_("It can be read in more than one way: a name stands twice, has escapes, or is nearly one of ours."))
    return Fact(_("It is no JSON object, or was not sent as application/json."))


def _blocked(case: Case) -> Fact:
    if case.offer is None or not (many := len(case.offer.rails.blocked)):
        return Fact()
    # Which they are is for its publishers.
    said = ngettext(
        "The API takes no text that holds %(many)s word or expression that its publisher listed.",
        "The API takes no text that holds one of %(many)s words or expressions that its publisher listed.",
        many,
    )
    return Fact(said % {"many": _many(many)}, _live(case))


def _too_large(case: Case) -> Fact:
    if case.offer is None:
        return Fact()
    return Fact(_("The API takes bodies of at most %(size)s KiB.") % {"size": _many(case.offer.rails.body_kib)}, _live(case))


def _variables(case: Case) -> Fact:
    prompts = case.offer.prompts if case.offer else ()
    prompt = next((each for each in prompts if each.operation_id == case.refusal.operation), None)
    if prompt is None:
        return Fact()
    if not prompt.variables:
        return Fact(_("The prompt has no variables."), _live(case))
    return Fact(_("The prompt's variables: %(variables)s.") % {"variables": _named(list(map(_variable, prompt.variables)))}, _live(case))


def _variable(variable: Variable) -> str:
    said = variable.kind
    if variable.choices:
        said = _named(variable.choices)
    elif variable.kind == "string":
        said = _("text of up to %(many)s characters") % {"many": _many(variable.most)}
    if variable.required:
        return _("%(name)s (%(kind)s)") % {"name": variable.name, "kind": said}
    return _("%(name)s (%(kind)s; may be left out)") % {"name": variable.name, "kind": said}


# Budgets


def _budget(case: Case) -> Fact:
    """The subscription's, or else the tenant's."""
    subscription = case.subscription
    if subscription is not None and subscription.plan.budget.is_set:
        found = _spent(case, subscription.plan.budget, application=subscription.application_id, api=subscription.api_id)
        if found is not None:
            said = _("The plan %(plan)s lets %(limit)s be spent until %(ends)s, and that was spent: %(spent)s by now.")
            return Fact(said % {"plan": subscription.plan.name, **found}, case.last([budgets.PASSED], subscription.pk))
    own = budgets.of_tenant().budget
    found = _spent(case, own, application=None, api=None) if own.is_set else None
    if found is None:
        return Fact()
    event = case.last([budgets.ALL_PASSED], current_tenant_id())
    if "providers.see" not in case.permissions:
        # How much that is is told where providers are.
        return Fact(_("The budget of all AI APIs together was spent; it begins anew %(ends)s.") % found, event)
    said = _("All AI APIs together may spend %(limit)s until %(ends)s, and that was spent: %(spent)s by now.")
    return Fact(said % found, event)


def _spent(case: Case, budget: Budget, **whose: UUID | None) -> dict[str, str] | None:
    """What may be spent of a budget, what was, and until when; None where it was not spent when the call came."""
    period, zone, currency = budget.key
    uses = BudgetUse.objects.at(case.refusal.at).filter(period=period, time_zone=zone, currency=currency, **whose)
    use = uses.first()
    if use is None or not (limit := use.bounded_by(budget)).is_spent(use.tokens, use.amount):
        return None
    ends = _(" or ").join(filter(None, (_tokens(limit.tokens), _money(limit.amount, currency))))
    spent = filter(None, (_tokens(use.tokens if limit.tokens else None), _money(use.amount if limit.amount else None, currency)))
    return {"limit": ends, "spent": _(" and ").join(spent), "ends": moment(use.ends)}


def _tokens(many: int | None) -> str:
    return "" if many is None else _("%(many)s tokens") % {"many": _many(many)}


def _money(amount: int | None, currency: str) -> str:
    return "" if amount is None else f"{currency} {number_format(units(amount).normalize(), force_grouping=True)}"


# Providers and gateways


def _no_provider(case: Case) -> Fact:
    """Which of them, and with which keys, is told to who may see providers."""
    asked = case.refusal.asked
    if case.api is None or not asked:
        return Fact()
    said = _("It asked for %(model)s, and none of its providers gave an answer of use.") % {"model": asked}
    if "providers.see" not in case.permissions:
        return Fact(said)
    providers = _answering(asked)
    if not providers:
        return Fact(_("It asked for %(model)s, which no provider answers any more.") % {"model": asked})
    keys = [key for provider in providers for key in provider.keys.all()]
    told = [f"{provider}: {_keys_of(provider)}" for provider in providers]
    now = _("The keys now: %(keys)s.") % {"keys": "; ".join(told)}
    return Fact(f"{said} {now}", case.last(_KEY_KINDS, *(key.pk for key in keys)))


def _answering(asked: str) -> list[Provider]:
    """In the order in which they are asked."""
    alias = ModelAlias.objects.filter(name=asked).first()
    slugs = [each["provider"] for each in alias.targets] if alias else [asked.partition("/")[0]]
    found = {each.slug: each for each in Provider.objects.filter(slug__in=slugs).prefetch_related("keys")}
    return [found[slug] for slug in slugs if slug in found]


def _keys_of(provider: Provider) -> str:
    keys = sorted(provider.keys.all(), key=lambda each: (each.priority, str(each.pk)))
    return _named(list(map(_key, keys))) if keys else _("none")


def _key(key: ProviderKey) -> str:
    if key.state == _State.ON:
        return _("%(key)s is on") % {"key": key.label}
    told = {"key": key.label, "state": key.get_state_display(), "since": moment(key.state_since)}
    if key.state_until is None:
        return _("%(key)s: %(state)s since %(since)s") % told
    return _("%(key)s: %(state)s until %(until)s") % {**told, "until": moment(key.state_until)}


def _too_old(case: Case) -> Fact:
    node = GatewayNode.objects.filter(name=case.refusal.gateway).first() if "gateways.see" in case.permissions else None
    if node is None or not node.version:
        return Fact()
    return Fact(_("The gateway %(gateway)s runs Envoy %(version)s.") % {"gateway": node.name, "version": node.version})


FACTS: Mapping[str, Callable[[Case], Fact]] = {
    "BODY_NOT_JSON": _not_json,
    "BODY_TOO_LARGE": _too_large,
    "BUDGET_EXCEEDED": _budget,
    "GATEWAY_TOO_OLD": _too_old,
    "MODEL_NOT_IN_PLAN": _not_in_plan,
    "MODEL_UNKNOWN": _unknown,
    "PROVIDER_UNAVAILABLE": _no_provider,
    "TEXT_BLOCKED": _blocked,
    "TOKENS_LIMITED": _in_a_minute,
    "TOO_MANY_TOKENS": _too_many,
    "VARIABLE_INVALID": _variables,
}
