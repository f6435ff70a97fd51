from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apis import document_at
from apis.actions import budgets, questions, quotas
from apis.differences import Change, Differences, Level, Operation
from apis.lint.rules import Choice as RuleChoice
from apis.lint.rules import Rule
from apis.lint.standing import Broken, Spot, Standing, standing
from apis.mock import Origin
from apis.models import Api, ApiVersion, DocumentImport, Revision, Subscription
from apis.serializers_ai_offer import OfferOut
from apis.serializers_budgets import BudgetStandingOut
from apis.serializers_content_logging import agreed_in_request
from apis.serializers_plans import PlanOut
from apis.serializers_quotas import QuotaOut
from apis.serializers_requests import AnswersIn, KeptAnswerOut
from apis.serializers_upstreams import UpstreamIn, UpstreamOut
from tenants.models import SLUG, Event
from tenants.serializers import Body, Choice, Text

LEVELS = [(level.value, level.value) for level in Level]


class ApiIn(Body):
    slug = Text(max_length=40, validators=[SLUG])
    name = Text(max_length=80)
    description = Text(max_length=5000, allow_blank=True, default="")


class ApiChangeIn(Body):
    """What is left out stays as it is. `encryption_jwk` is a public JWK, `team` and `category` are ids, each null for none."""

    name = Text(max_length=80, required=False)
    description = Text(max_length=5000, allow_blank=True, required=False)
    cors_origins = serializers.ListField(child=Text(max_length=400, allow_blank=True), max_length=100, required=False)
    encryption_jwk = serializers.DictField(required=False, allow_null=True)
    team = serializers.UUIDField(required=False, allow_null=True)
    category = serializers.UUIDField(required=False, allow_null=True)
    visibility = Choice(choices=Api.Visibility.choices, required=False)
    teams = serializers.ListField(child=serializers.UUIDField(), max_length=100, required=False)
    tags = serializers.ListField(child=Text(max_length=100, allow_blank=True), max_length=100, required=False)


class VersionOut(serializers.ModelSerializer[ApiVersion]):
    """`mock`: gateways answer its calls from examples, and there is no upstream behind it."""

    live_revision = serializers.IntegerField(source="live_revision.number", default=None)
    address = serializers.SerializerMethodField()
    mock = serializers.BooleanField(source="is_mock")
    successor = serializers.CharField(source="successor.name", default="")

    class Meta:
        model = ApiVersion
        fields = ["id", "name", "status", "live_revision", "mock", "address", "reason", "deprecated_at", "sunset_at", "successor"]

    def get_address(self, version: ApiVersion) -> str:
        return f"{self.context['gateway']}/{version.api.slug}/{version.name}"


class PublishedApiOut(serializers.ModelSerializer[Api]):
    """What subscribers read."""

    versions = VersionOut(many=True)
    plans = PlanOut(many=True)
    category = serializers.CharField(source="category.name", default=None)

    class Meta:
        model = Api
        fields = ["id", "slug", "name", "kind", "description", "category", "tags", "versions", "plans", "created_at"]


class ApiOut(PublishedApiOut):
    """`cors_origins`: whose pages may call it from a browser. `encryption_jwk`: what confidential claims for it are encrypted with.

    `team`: which looks after it. `teams`: whose members see it, where `visibility` is “teams”.
    """

    team_name = serializers.CharField(source="team.name", default=None)
    encryption_jwk = serializers.DictField(allow_null=True, read_only=True)
    teams = serializers.SerializerMethodField()

    class Meta(PublishedApiOut.Meta):
        fields = [*PublishedApiOut.Meta.fields, "cors_origins", "encryption_jwk", "team", "team_name", "visibility", "teams"]

    def get_teams(self, api: Api) -> list[UUID]:
        return sorted(each.team_id for each in api.audience.all())


class VersionIn(Body):
    name = serializers.RegexField(
        r"^v[0-9]{1,4}(?:\.[0-9]{1,4})?$", error_messages={"invalid": "Name a version v1, v2 or v1.1."}, max_length=20
    )


class RevisionIn(Body):
    """`document` is the OpenAPI 3 or Swagger 2.0 document, as text (YAML or JSON) or as JSON itself.

    `mock`: in place of an upstream, gateways answer from the document's examples.
    """

    document = serializers.JSONField()
    upstream = UpstreamIn(required=False)
    mock = serializers.BooleanField(default=False)
    note = Text(max_length=500, allow_blank=True, default="")

    def validate(self, told: dict[str, Any]) -> dict[str, Any]:
        if not told["mock"] and "upstream" not in told:
            raise serializers.ValidationError({"upstream": ["This field is required, unless mock is true."]})
        if told["mock"] and "upstream" in told:
            raise serializers.ValidationError({"mock": ["A mock has no upstream: leave one of the two out."]})
        return told


class ImportIn(RevisionIn):
    """Either `document`, or `document_url`, an address over https that it is fetched from."""

    document = serializers.JSONField(required=False)
    document_url = Text(max_length=document_at.MAX_URL, required=False)

    def validate(self, told: dict[str, Any]) -> dict[str, Any]:
        if ("document" in told) == ("document_url" in told):
            raise serializers.ValidationError({"document": ["Send either document or document_url."]})
        return super().validate(told)


class NoteOut(serializers.Serializer[Any]):
    line = serializers.IntegerField()
    column = serializers.IntegerField()
    message = serializers.CharField()


class LintOut(serializers.Serializer[Standing]):
    """How a document stands to the tenant's rules: a score from 0 to 100, and how many findings there are."""

    score = serializers.IntegerField()
    # Fields are taken off their class, so it hides nothing.
    errors = serializers.IntegerField()  # type: ignore[assignment]
    warnings = serializers.IntegerField()
    hints = serializers.IntegerField()


class TestOut(serializers.Serializer[Any]):
    """Where a revision is tried, and until when. `application`: whose calls alone pass, null where it takes a subscription."""

    address = serializers.CharField()
    until = serializers.DateTimeField()
    application = serializers.UUIDField(allow_null=True)


class RevisionOut(serializers.ModelSerializer[Revision]):
    """The context brings `choices`, what the tenant makes of the rules, and `gateway`. `lint` is null where the rules were not asked.

    `notes`: what could not be carried over from Swagger 2.0 to OpenAPI 3.0, as which it is kept.

    `mock`: gateways answer from the document's examples, and `upstream` is null. `test` is null where it is not open for tests.
    """

    mock = serializers.BooleanField(source="is_mock")
    upstream = UpstreamOut(allow_null=True)
    live = serializers.SerializerMethodField()
    test = serializers.SerializerMethodField()
    lint = serializers.SerializerMethodField()
    notes = NoteOut(many=True)

    class Meta:
        model = Revision
        fields = ["id", "number", "note", "mock", "upstream", "live", "test", "lint", "notes", "created_at"]

    def get_live(self, revision: Revision) -> bool:
        return revision.version.live_revision_id == revision.pk

    @extend_schema_field(TestOut(allow_null=True))
    def get_test(self, revision: Revision) -> dict[str, Any] | None:
        if not revision.is_open_for_tests:
            return None
        address = f"{self.context['gateway']}/{revision.version.api.slug}/{revision.test_segment}"
        told = {"address": address, "until": revision.open_until, "application": revision.tester_id}
        return dict(TestOut(told).data)

    @extend_schema_field(LintOut(allow_null=True))
    def get_lint(self, revision: Revision) -> dict[str, Any] | None:
        return None if revision.lint is None else dict(LintOut(standing(revision.lint, self.context["choices"])).data)


class DocumentImportOut(serializers.ModelSerializer[DocumentImport]):
    """`progress` in hundredths. `revision`: the number of the one that was added, once it is ready."""

    problems = NoteOut(many=True)
    revision = serializers.IntegerField(source="revision.number", allow_null=True, default=None)

    class Meta:
        model = DocumentImport
        fields = ["id", "state", "progress", "problems", "refusal", "revision", "created_at", "changed_at"]


class OperationOut(serializers.Serializer[Any]):
    """`scopes`: alternatives, of each of which a token needs all; none where it needs none."""

    operation_id = serializers.CharField()
    method = serializers.CharField()
    path = serializers.CharField()
    summary = serializers.CharField()
    deprecated = serializers.BooleanField()
    scopes = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))


class AnswerOut(serializers.Serializer[Any]):
    """What a mock answers to one operation.

    `origin`: where the body comes from; `left_out` where the example is larger than gateways keep, so that there is none.
    """

    operation = serializers.CharField()
    status = serializers.IntegerField()
    media_type = serializers.CharField()
    origin = serializers.ChoiceField(choices=[(each.value, each.value) for each in Origin])


class RevisionDetailOut(RevisionOut):
    """`scopes`: each that the document names, with what it allows. `answers`: of a mock, for each operation; else null.

    `ai`: what one of an AI API offers; else null.
    """

    operations = OperationOut(many=True)
    answers = serializers.SerializerMethodField()
    ai = OfferOut(allow_null=True)
    scopes = serializers.DictField(child=serializers.CharField(allow_blank=True))

    class Meta(RevisionOut.Meta):
        fields = [*RevisionOut.Meta.fields, "document", "operations", "answers", "ai", "scopes"]

    @extend_schema_field(AnswerOut(many=True, allow_null=True))
    def get_answers(self, revision: Revision) -> Any:
        if revision.answers is None:
            return None
        return AnswerOut([{"operation": name, **answer} for name, answer in revision.answers.items()], many=True).data


class PublishedRevisionOut(serializers.ModelSerializer[Revision]):
    """What subscribers read."""

    operations = OperationOut(many=True)
    scopes = serializers.DictField(child=serializers.CharField(allow_blank=True))

    class Meta:
        model = Revision
        fields = ["id", "number", "created_at", "document", "operations", "scopes"]


class DifferentOperationOut(serializers.Serializer[Operation]):
    method = serializers.CharField()
    path = serializers.CharField()
    operation_id = serializers.CharField()
    summary = serializers.CharField()


class ChangeOut(serializers.Serializer[Change]):
    """`rule` is its id in docs/differences.md; `operation` null where it is no operation's own."""

    rule = serializers.CharField()
    level = serializers.ChoiceField(choices=LEVELS)
    text = serializers.CharField()
    operation = DifferentOperationOut(allow_null=True)


class DifferencesOut(serializers.Serializer[Differences]):
    """`breaking`, `risky` and `safe`: how many of the changes are so.

    The context brings the `number` of the revision, and the `other` one, if there is one.
    """

    number = serializers.SerializerMethodField()
    compared_with = serializers.SerializerMethodField()
    compared_with_version = serializers.SerializerMethodField()
    breaking = serializers.SerializerMethodField()
    risky = serializers.SerializerMethodField()
    safe = serializers.SerializerMethodField()
    changes = ChangeOut(many=True)

    def get_number(self, _: Differences) -> int:
        number: int = self.context["number"]
        return number

    def get_compared_with(self, _: Differences) -> int | None:
        other: Revision | None = self.context["other"]
        return other.number if other else None

    def get_compared_with_version(self, _: Differences) -> str | None:
        other: Revision | None = self.context["other"]
        return other.version.name if other else None

    def get_breaking(self, found: Differences) -> int:
        return len(found.of(Level.BREAKING))

    def get_risky(self, found: Differences) -> int:
        return len(found.of(Level.RISKY))

    def get_safe(self, found: Differences) -> int:
        return len(found.of(Level.SAFE))


class FindingOut(serializers.Serializer[Any]):
    """`pointer` is a JSON Pointer into the document; line and column are null where it came as JSON itself."""

    sentence = serializers.CharField()
    pointer = serializers.CharField()
    line = serializers.SerializerMethodField()
    column = serializers.SerializerMethodField()

    def get_line(self, spot: Spot) -> int | None:
        return spot.line or None

    def get_column(self, spot: Spot) -> int | None:
        return spot.column or None


class BrokenRuleOut(serializers.Serializer[Broken]):
    """Broken `found` times by `looked_at` things; `findings` are the first of them."""

    rule = serializers.CharField(source="rule.id")
    severity = serializers.CharField(source="rule.severity")
    title = serializers.CharField()
    mend = serializers.CharField()
    blocks = serializers.BooleanField()
    found = serializers.IntegerField()
    looked_at = serializers.IntegerField()
    findings = FindingOut(source="spots", many=True)


class RevisionLintOut(LintOut):
    """`blocked`: it can't be made live, for a rule that blocks publishing is broken."""

    blocked = serializers.BooleanField()
    rules = serializers.SerializerMethodField()

    @extend_schema_field(BrokenRuleOut(many=True))
    def get_rules(self, _: Standing) -> Any:
        return BrokenRuleOut(self.context["broken"], many=True).data


class LintRuleOut(serializers.Serializer[Any]):
    """`choice` is what holds, `unless_chosen` what holds where nobody chooses."""

    rule = serializers.CharField(source="id")
    severity = serializers.CharField()
    title = serializers.CharField()
    mend = serializers.CharField()
    choice = serializers.SerializerMethodField()
    unless_chosen = serializers.CharField()

    def get_choice(self, rule: Rule) -> str:
        choice: RuleChoice = self.context["choices"][rule.id]
        return choice


class LintRulesOut(serializers.Serializer[Any]):
    rules = LintRuleOut(many=True)


class LintRulesIn(Body):
    """By the id of a rule; what is left out stays as it is."""

    rules = serializers.DictField(child=Choice(choices=[(each.value, each.value) for each in RuleChoice]))


class SubscriptionIn(Body):
    application = serializers.UUIDField()
    api = Text(max_length=40)
    plan = Text(max_length=40)
    purpose = Text(max_length=500)
    answers = AnswersIn(required=False)
    logging_agreed = serializers.IntegerField(**agreed_in_request())
    starts_at = serializers.DateTimeField(required=False, allow_null=True)
    ends_at = serializers.DateTimeField(required=False, allow_null=True)


class MessageIn(Body):
    text = Text(max_length=1_000)


class MessageOut(serializers.Serializer[Event]):
    """`kind`: question or answer. `by`: the name that the person had then."""

    event = serializers.IntegerField(source="number")
    kind = serializers.SerializerMethodField()
    text = serializers.CharField(source="data.text")
    by = serializers.CharField(source="actor_name")
    at = serializers.DateTimeField()

    @extend_schema_field(serializers.ChoiceField(["question", "answer"]))
    def get_kind(self, event: Event) -> str:
        return "question" if event.kind == questions.ASKED else "answer"


class SubscriptionOut(serializers.ModelSerializer[Subscription]):
    """`answers`: to what the API asked. `added`: who decides put it there, and nobody had asked.

    `starts_at` is null for at once, `ends_at` for never; `trial_until`: until when its application had, or has, its trial of the API.
    `quota` and `budget`: how it stands to its plan's; null where that has none.
    """

    application = serializers.UUIDField(source="application_id")
    application_name = serializers.CharField(source="application.name")
    api = serializers.CharField(source="api.slug")
    plan = serializers.CharField(source="plan.name")
    plan_status = serializers.CharField(source="plan.status")
    requested_by = serializers.CharField(source="requested_by.email")
    first_approved_by = serializers.CharField(source="first_approved_by.email", default=None)
    decided_by = serializers.CharField(source="decided_by.email", default=None)
    answers = KeptAnswerOut(many=True)
    quota = serializers.SerializerMethodField()
    budget = serializers.SerializerMethodField()

    class Meta:
        model = Subscription
        fields = [
            "id", "application", "application_name", "api", "plan", "plan_status", "quota", "budget", "purpose", "answers",
            "status", "reason", "added", "requested_by", "requested_at", "asked_at",
            "approvals_needed", "first_approved_by", "first_approved_at", "decided_by", "decided_at", "ended_at",
            "starts_at", "ends_at", "started_at", "trial_until",
        ]  # fmt: skip

    @extend_schema_field(QuotaOut(allow_null=True))
    def get_quota(self, subscription: Subscription) -> dict[str, Any] | None:
        found = quotas.standing(subscription)
        return dict(QuotaOut(found).data) if found else None

    @extend_schema_field(BudgetStandingOut(allow_null=True))
    def get_budget(self, subscription: Subscription) -> dict[str, Any] | None:
        found = budgets.standing(subscription)
        return dict(BudgetStandingOut(found).data) if found else None
