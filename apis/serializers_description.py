"""What comes in and goes out where a tenant is described. What is left out is left alone, so no field has a value by itself."""

import difflib
import json
from typing import Any

from rest_framework import serializers

from apis import quotas
from apis.actions.aliases import MOST_NAME, MOST_TARGETS
from apis.actions.applying import Plan as Planned
from apis.ai.offer import MOST_OFFERED, MOST_TOKENS
from apis.description import PARTS, Difference
from apis.models import Api, ApiVersion, Plan
from apis.openapi import BY_A_JOB
from apis.serializers_ai import OfferIn, offer_of
from apis.serializers_budgets import BudgetIn
from apis.serializers_plans import MAX_PLAN_CALLS, MAX_PLAN_SECONDS, Models, Scopes
from apis.serializers_policies import PoliciesIn
from apis.serializers_tools import ToolIn
from apis.serializers_upstreams import UpstreamIn
from keys.models import Application
from tenants.models import SLUG, Role
from tenants.rest_settings import SettingsIn
from tenants.serializers import NAMED, NAMED_CHARACTERS, Body, Choice, Text

# Of one list. What is beyond the tenant's limits is refused by the actions.
MOST = 50_000


class Described(Body):
    """A field that is not known is answered with the one that was perhaps meant."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(str(name) for name in data if name not in self.fields) if isinstance(data, dict) else []
        if unknown:
            raise serializers.ValidationError({name[:NAMED_CHARACTERS]: [_unknown(name, [*self.fields])] for name in unknown[:NAMED]})
        return super().to_internal_value(data)


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name[:NAMED_CHARACTERS], known, 1)
    if near:
        return f"“{name[:NAMED_CHARACTERS]}” is not known here; did you mean “{near[0]}”?"
    return f"“{name[:NAMED_CHARACTERS]}” is not known here; there are {', '.join(known)}."


def _names(length: int = 80, most: int = 200) -> serializers.ListField:
    return serializers.ListField(child=Text(max_length=length), max_length=most, required=False)


def _many(of: type[Described], most: int = MOST) -> Any:
    return of(many=True, required=False, max_length=most)  # type: ignore[call-arg]


class BudgetDescribed(Described, BudgetIn):
    """A plan's, or the tenant's; an empty one, or null, has no end."""


class TenantDescribed(Described, SettingsIn):
    categories = _names(200, 100)
    ai_budget = BudgetDescribed(required=False, allow_null=True)


class MemberDescribed(Described):
    email = serializers.EmailField(max_length=254)
    roles = serializers.ListField(child=Choice(choices=Role.choices), max_length=20, required=False)
    custom_roles = _names()
    teams = _names()


class TeamDescribed(Described):
    name = Text(max_length=80)
    description = Text(max_length=200, allow_blank=True, required=False)
    lead = serializers.EmailField(max_length=254, required=False)


class PlanDescribed(Described):
    name = serializers.RegexField(
        r"^[a-z0-9](?:-?[a-z0-9])*\Z", max_length=40, error_messages={"invalid": "Use lower-case letters, digits and single hyphens."}
    )
    calls = serializers.IntegerField(min_value=1, max_value=MAX_PLAN_CALLS, required=False)
    seconds = serializers.IntegerField(min_value=1, max_value=MAX_PLAN_SECONDS, required=False)
    burst = serializers.IntegerField(min_value=0, max_value=MAX_PLAN_CALLS, required=False)
    approval = Choice(choices=Plan.Approval.choices, required=False)
    quota = serializers.IntegerField(min_value=0, max_value=quotas.MOST_CALLS, required=False)
    quota_period = Choice(choices=Plan.Period.choices, required=False)
    quota_time_zone = Text(max_length=64, required=False)
    scopes = Scopes(required=False)
    models = Models(required=False)
    max_tokens = serializers.IntegerField(min_value=0, max_value=MOST_TOKENS, required=False)
    tokens_per_minute = serializers.IntegerField(min_value=0, max_value=MOST_TOKENS, required=False)
    budget = BudgetDescribed(required=False, allow_null=True)
    status = Choice(choices=[each for each in Plan.Status.choices if each[0] != Plan.Status.CLOSED], required=False)
    reason = Text(max_length=500, allow_blank=True, required=False)

    def validate_quota_time_zone(self, given: str) -> str:
        if not quotas.is_zone(given):
            raise serializers.ValidationError("This is no time zone; write for example UTC, or Europe/Berlin.")
        return given


class UpstreamDescribed(Described, UpstreamIn):
    """As a revision's. `secret` and `client_key` are either the secret itself, or `${NAME}`, with which the one that is there stays."""


class PoliciesDescribed(Described, PoliciesIn):
    """All of an API's policies: what is left out is as where nobody has set it."""


class ToolDescribed(Described, ToolIn):
    """An operation that agents may use; none of them switches tools off."""


class OfferDescribed(Described, OfferIn):
    """All that an AI API offers, as revisions keep it."""

    note = None  # type: ignore[assignment]

    def to_internal_value(self, data: Any) -> Any:
        return json.loads(json.dumps(offer_of(super().to_internal_value(data)).told))


class VersionDescribed(Described):
    """`document` is the text of its OpenAPI document; `mock: true` has gateways answer from its examples, in place of an `upstream`."""

    name = serializers.RegexField(
        r"^v[0-9]{1,4}(?:\.[0-9]{1,4})?$", error_messages={"invalid": "Name a version v1, v2 or v1.1."}, max_length=20
    )
    status = Choice(choices=[each for each in ApiVersion.Status.choices if each[0] != ApiVersion.Status.RETIRED], required=False)
    reason = Text(max_length=500, allow_blank=True, required=False)
    sunset = serializers.DateTimeField(required=False, allow_null=True)
    successor = Text(max_length=20, allow_blank=True, required=False)
    # One that a job has read comes back as it is; another one as large is refused by who reads it.
    document = serializers.CharField(max_length=BY_A_JOB.most_bytes, trim_whitespace=False, required=False)
    mock = serializers.BooleanField(required=False)
    upstream = UpstreamDescribed(required=False)
    tools = _many(ToolDescribed, 200)


class ApiDescribed(Described):
    slug = Text(max_length=40, validators=[SLUG])
    kind = Choice(choices=Api.Kind.choices, required=False)
    name = Text(max_length=80, required=False)
    description = Text(max_length=5000, allow_blank=True, required=False)
    category = Text(max_length=200, allow_blank=True, required=False)
    tags = serializers.ListField(child=Text(max_length=100, allow_blank=True), max_length=100, required=False)
    visibility = Choice(choices=Api.Visibility.choices, required=False)
    teams = _names()
    team = Text(max_length=80, allow_blank=True, required=False)
    cors_origins = serializers.ListField(child=Text(max_length=400, allow_blank=True), max_length=100, required=False)
    needs_review = serializers.BooleanField(required=False)
    policies = PoliciesDescribed(required=False)
    offer = OfferDescribed(required=False)
    plans = _many(PlanDescribed, 200)
    versions = _many(VersionDescribed, 200)


class AliasDescribed(Described):
    """`targets`: the models that it stands for, in order, each as “provider/model”."""

    name = Text(max_length=MOST_NAME)
    targets = serializers.ListField(child=Text(max_length=MOST_OFFERED), min_length=1, max_length=MOST_TARGETS)


class ApplicationDescribed(Described):
    name = Text(max_length=80)
    owner = serializers.EmailField(max_length=254, required=False)
    team = Text(max_length=80, required=False)
    environment = Choice(choices=Application.Environment.choices, required=False)
    purpose = Text(max_length=500, required=False)
    contact = Text(max_length=254, allow_blank=True, required=False)
    status = Choice(choices=[each for each in Application.Status.choices if each[0] != Application.Status.DELETED], required=False)
    reason = Text(max_length=500, allow_blank=True, required=False)


class SubscriptionDescribed(Described):
    application = Text(max_length=80)
    owner = serializers.EmailField(max_length=254, required=False)
    team = Text(max_length=80, required=False)
    api = Text(max_length=40)
    plan = Text(max_length=40)
    status = Choice(choices=["pending", "active", "suspended"], required=False)
    reason = Text(max_length=500, allow_blank=True, required=False)
    purpose = Text(max_length=500, required=False)


class DescriptionIn(Described):
    """The parts of a tenant that are described; one that is left out is left alone."""

    tenant = TenantDescribed(required=False)
    members = _many(MemberDescribed)
    teams = _many(TeamDescribed)
    aliases = _many(AliasDescribed)
    apis = _many(ApiDescribed)
    applications = _many(ApplicationDescribed)
    subscriptions = _many(SubscriptionDescribed)


class PlanningIn(Described):
    """`prune`: also take away what lists that are there no longer name. `breaking`: why revisions that break callers go live."""

    description = DescriptionIn()
    prune = serializers.BooleanField(default=False)
    breaking = Text(max_length=500, allow_blank=True, default="")


class ApplyingIn(PlanningIn):
    """`base` is the plan's: it is refused if the tenant has changed since."""

    base = Text(max_length=80)


class DescriptionOut(serializers.Serializer[Any]):
    """Each part that the reader may see, as `…/description/plan/` takes it, and the `base` that it is true for."""

    base = serializers.CharField()
    tenant = serializers.DictField(required=False)
    members = serializers.ListField(child=serializers.DictField(), required=False)
    teams = serializers.ListField(child=serializers.DictField(), required=False)
    aliases = serializers.ListField(child=serializers.DictField(), required=False)
    apis = serializers.ListField(child=serializers.DictField(), required=False)
    applications = serializers.ListField(child=serializers.DictField(), required=False)
    subscriptions = serializers.ListField(child=serializers.DictField(), required=False)


class LossOut(serializers.Serializer[Any]):
    """An application that can't call any more what `calls` names, “orders v1”; `whose`: a team's name, or the owner's e-mail address."""

    application = serializers.CharField()
    whose = serializers.CharField()
    calls = serializers.ListField(child=serializers.CharField())


class DifferenceOut(serializers.Serializer[Difference]):
    """`sign`: + comes, ~ changes, - goes, ! waits for somebody, and nothing is done. `blocked`: why it can't be done, or ""."""

    sign = serializers.CharField()
    what = serializers.CharField()
    text = serializers.CharField()
    blocked = serializers.CharField()


class PlannedOut(serializers.Serializer[Planned]):
    """What would be done, in order. `prunable`: how many things are not described, and would go with `prune`."""

    base = serializers.CharField()
    losses = LossOut(many=True)
    differences = DifferenceOut(many=True)
    prunable = serializers.IntegerField()


class AppliedOut(PlannedOut):
    """What was done. Without a difference there is neither `event` nor `receipt`."""

    event = serializers.IntegerField(required=False)
    receipt = serializers.CharField(required=False)


SEEING = {
    "tenant": "settings.manage",
    "members": "members.see",
    "teams": "members.see",
    "aliases": "providers.see",
    "apis": "apis.see_all",
    "applications": "applications.see_all",
    "subscriptions": "subscriptions.see_all",
}
assert tuple(SEEING) == PARTS
