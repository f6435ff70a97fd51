from collections.abc import Set
from functools import lru_cache
from typing import Any, ClassVar, Self, TypeVar
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from apis import budgets, origins, quotas
from apis.ai.offer import MOST_OFFERED, MOST_TOKENS
from apis.findings import Lint
from apis.models.category import Category
from apis.models.upstream import Upstream
from apis.parts import Outline
from keys.models import Application, ProtectedResource
from tenants.models import SLUG, Steps, Team, TenantManager, TenantModel, User

M_co = TypeVar("M_co", bound=models.Model, covariant=True)
# Of a revision, what lists leave where it is; and the same of a version's live one.
LARGE = ("document", "outline", "findings", "answers")
MOST_TAGS = 10
LIVE_LARGE = tuple(f"live_revision__{name}" for name in LARGE)


def _words(*names: str | models.Func) -> models.GeneratedField:
    """What a search looks into, kept by PostgreSQL: the words of four texts, the weightiest first."""
    weighed = models.Func(*names, function="apis_weighed")
    return models.GeneratedField(expression=weighed, output_field=SearchVectorField(), db_persist=True)


class ApiQuerySet(models.QuerySet["Api"]):
    def published(self) -> Self:
        """Those with a version that stands in the catalogue."""
        return self.filter(models.Exists(ApiVersion.objects.offered().filter(api=models.OuterRef("pk"))))

    def open_to(self, user: User | AnonymousUser, permissions: Set[str]) -> Self:
        """Those that somebody with these permissions here may know of, published or not; who may publish knows of all."""
        if "apis.see_all" in permissions:
            return self
        seen = models.Q(visibility=Api.Visibility.PUBLIC)
        if "tenant.see" in permissions and isinstance(user, User):
            theirs = ApiTeam.objects.filter(team__in=Team.objects.of(user))
            seen |= models.Q(visibility=Api.Visibility.TENANT)
            seen |= models.Q(visibility=Api.Visibility.TEAMS, pk__in=theirs.values("api"))
        return self.filter(seen)

    def readable_by(self, user: User | AnonymousUser, permissions: Set[str]) -> Self:
        """Of the published ones those that somebody with these permissions here may see, and so subscribe to.

        Who may publish sees all of them; who is no member what is for everybody.
        """
        return self.published().open_to(user, permissions)

    def with_versions(self) -> Self:
        return self._with(ApiVersion.objects.all(), Plan.objects.all()).select_related("team").prefetch_related("audience")

    def with_encryption_key(self) -> Self:
        """With `encryption_jwk`, the public key that confidential claims for it are encrypted with."""
        resource = ProtectedResource.objects.filter(name=models.OuterRef("slug"))
        return self.annotate(encryption_jwk=models.Subquery(resource.values("encryption_jwk")))

    def with_published_versions(self, user: User | AnonymousUser, permissions: Set[str]) -> Self:
        """What subscribers may know: no version and no plan that is still being made, and no plan that others alone see."""
        return self._with(
            ApiVersion.objects.offered(),
            Plan.objects.offered().visible_to(user, permissions),
        )

    def _with(self, versions: "models.QuerySet[ApiVersion]", plans: "models.QuerySet[Plan]") -> Self:
        return self.select_related("category").prefetch_related(
            models.Prefetch("versions", versions.select_related("live_revision", "successor").defer(*LIVE_LARGE).order_by("id")),
            models.Prefetch("plans", plans.prefetch_related("audience").order_by("id")),
        )


class WithoutWords(TenantManager[M_co]):
    def get_queryset(self) -> models.QuerySet[M_co]:
        # Long, and for PostgreSQL alone.
        return super().get_queryset().defer("words")


ApiManager = WithoutWords.from_queryset(ApiQuerySet)


class Api(TenantModel):
    """One published thing with a stable identity and a context path. Its slug never changes."""

    class Kind(models.TextChoices):
        REST = "rest", "REST"
        AI = "ai", gettext_lazy("AI")

    class Visibility(models.TextChoices):
        # As far as the tenant shows its catalogue to them.
        PUBLIC = "public", gettext_lazy("Everybody")
        TENANT = "tenant", gettext_lazy("Members")
        TEAMS = "teams", gettext_lazy("Some teams")

    slug = models.CharField(max_length=40, validators=[SLUG])
    name = models.CharField(max_length=80)
    # Of AI: its calls go to providers of models, by the model that they name. It never changes.
    kind = models.CharField(max_length=4, choices=Kind, default=Kind.REST)
    description = models.TextField(max_length=5000, blank=True)
    # The origins whose pages may call it from a browser, as apis.origins writes them.
    cors_origins = ArrayField(models.CharField(max_length=origins.MAX_LENGTH), default=list)
    # As apis.policies.Policies has them.
    policies = models.JSONField(default=dict)
    # Whether a second person approves each revision before callers get it.
    needs_review = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    # The team that looks after it, if one does.
    team = models.ForeignKey(Team, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    category = models.ForeignKey(Category, models.PROTECT, null=True, related_name="apis")
    # In lower case.
    tags = ArrayField(models.CharField(max_length=30), default=list)
    # Who sees it, once it is published, beside those who may publish; of TEAMS: see ApiTeam.
    visibility = models.CharField(max_length=6, choices=Visibility, default=Visibility.PUBLIC)
    # What it asks of those who request a subscription, as apis.models.request_form has it.
    request_form = models.JSONField(default=list)
    words = _words("name", "slug", "description", models.Func("tags", function="apis_listed"))

    objects: ClassVar[ApiManager["Api"]] = ApiManager()

    class Meta:
        verbose_name = "api"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "slug"], name="one_api_per_slug"),
            models.CheckConstraint(condition=models.Q(kind__in=["rest", "ai"]), name="a_kind_of_the_two"),
            models.CheckConstraint(condition=models.Q(visibility__in=["public", "tenant", "teams"]), name="a_visibility_of_the_three"),
            models.CheckConstraint(condition=models.Q(tags__len__lte=MOST_TAGS), name="few_tags_per_api"),
            models.CheckConstraint(condition=models.Q(cors_origins__len__lte=origins.MOST), name="few_origins_per_api"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_ai(self) -> bool:
        return self.kind == Api.Kind.AI


class ApiTeam(TenantModel):
    """A team whose members see an API that is for some teams alone."""

    api = models.ForeignKey(Api, models.CASCADE, related_name="audience")
    team = models.ForeignKey(Team, models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "api", "team"], name="in_an_audience_once")]

    def __str__(self) -> str:
        return f"{self.team} sees {self.api}"


class ApiVersionQuerySet(models.QuerySet["ApiVersion"]):
    def offered(self) -> Self:
        """What the catalogue shows: what can be called, and what is blocked for now."""
        return self.filter(status__in=ApiVersion.OFFERED)


ApiVersionManager = TenantManager.from_queryset(ApiVersionQuerySet)


class ApiVersion(TenantModel):
    """`v1`, `v2`: what breaks callers is a new version. Each has a lifecycle of its own."""

    class Status(models.TextChoices):
        CREATED = "created", gettext_lazy("Created")
        PRERELEASE = "prerelease", gettext_lazy("Prerelease")
        PUBLISHED = "published", gettext_lazy("Published")
        BLOCKED = "blocked", gettext_lazy("Blocked")
        DEPRECATED = "deprecated", gettext_lazy("Deprecated")
        RETIRED = "retired", pgettext_lazy("version", "Retired")

    # Gateways have its routes, and the catalogue shows it.
    OFFERED: ClassVar = (Status.PRERELEASE, Status.PUBLISHED, Status.BLOCKED, Status.DEPRECATED)
    # Applications may still begin with it.
    BEGINNING: ClassVar = (Status.PRERELEASE, Status.PUBLISHED)
    THIS: ClassVar = gettext_lazy("this version")
    STEPS: ClassVar[Steps] = {
        (Status.CREATED, Status.PRERELEASE): "prereleased",
        (Status.CREATED, Status.PUBLISHED): "published",
        (Status.PRERELEASE, Status.PUBLISHED): "published",
        (Status.PUBLISHED, Status.BLOCKED): "blocked",
        (Status.BLOCKED, Status.PUBLISHED): "unblocked",
        (Status.PUBLISHED, Status.DEPRECATED): "deprecated",
        (Status.DEPRECATED, Status.PUBLISHED): "reinstated",
        (Status.DEPRECATED, Status.RETIRED): "retired",
        (Status.CREATED, Status.RETIRED): "discarded",
        (Status.PRERELEASE, Status.RETIRED): "retired",
    }

    api = models.ForeignKey(Api, models.CASCADE, related_name="versions")
    name = models.CharField(max_length=20)
    status = models.CharField(max_length=12, choices=Status, default=Status.CREATED)
    live_revision = models.ForeignKey("apis.Revision", models.PROTECT, null=True, related_name="live_in")
    created_at = models.DateTimeField(auto_now_add=True)
    # Why it is blocked, deprecated or retired, in the words of who did it.
    reason = models.CharField(max_length=500, blank=True)
    deprecated_at = models.DateTimeField(null=True)
    # Not to be relied on from then on; None where nobody has said when.
    sunset_at = models.DateTimeField(null=True)
    # What its callers should move to.
    successor = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")

    objects: ClassVar[ApiVersionManager["ApiVersion"]] = ApiVersionManager()

    class Meta:
        verbose_name = "version"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "api", "name"], name="one_version_per_name"),
            # RFC 9745 §4: the sunset is no earlier than the deprecation.
            models.CheckConstraint(
                condition=models.Q(sunset_at=None) | models.Q(sunset_at__gte=models.F("deprecated_at"), deprecated_at__isnull=False),
                name="a_sunset_comes_after_the_deprecation",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="deprecated") | models.Q(deprecated_at__isnull=False), name="deprecated_since_some_day"
            ),
            models.CheckConstraint(
                condition=models.Q(successor=None) | ~models.Q(successor=models.F("id")), name="no_version_succeeds_itself"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.api} {self.name}"

    @property
    def is_mock(self) -> bool:
        """The gateways answer its calls themselves, from examples."""
        return self.live_revision is not None and self.live_revision.is_mock


class RevisionQuerySet(models.QuerySet["Revision"]):
    def open_for_tests(self) -> Self:
        """Those that answer at an address of their own just now."""
        return self.filter(open_until__gt=Now())


RevisionManager = TenantManager.from_queryset(RevisionQuerySet)


class Revision(TenantModel):
    """An immutable picture of a version: its OpenAPI document, the operations in it, and its upstream.

    In place of an upstream it may hold what each operation answers from the document's examples: a mock. One of an AI API has neither: it
    says which models callers may ask for.
    """

    version = models.ForeignKey(ApiVersion, models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    # How its parts hang together, as apis.parts.Outline has it.
    outline = models.JSONField(default=list)
    upstream = models.ForeignKey(Upstream, models.PROTECT, null=True, related_name="revisions")
    # By “GET /orders” an apis.mock.Answer, for each operation; None where there is an upstream.
    answers = models.JSONField(null=True)
    # Of an AI API an apis.ai.offer.Offer: models, prompts, rails.
    ai = models.JSONField(null=True)
    # SHA-256 of the text that the document was read from; "" where nobody knows any more.
    source = models.CharField(max_length=64, default="", editable=False)
    note = models.CharField(max_length=500, blank=True)
    # What its security schemes name: {scope: what it allows}.
    scopes = models.JSONField(default=dict)
    # What the rules found, as apis.findings.Lint has it: how often, which is short, and where. None where they were not asked.
    lint = models.JSONField(null=True)
    findings = models.JSONField(default=list)
    # When callers first had it; None as long as they never did, as of the live one of a version that was never opened.
    went_live_at = models.DateTimeField(null=True)
    # Until when it answers at an address of its own, for tests; None where it does not.
    open_until = models.DateTimeField(null=True)
    # The application that may call it there while nothing of the API is open, so that none can have a subscription.
    tester = models.ForeignKey(Application, models.PROTECT, null=True, related_name="+")
    # What its author should know of how the document was read, as {line, column, message}.
    notes = models.JSONField(default=list)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[RevisionManager["Revision"]] = RevisionManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "version", "number"], name="one_revision_per_number"),
            models.CheckConstraint(condition=models.Q(tester=None) | models.Q(open_until__isnull=False), name="a_tester_has_a_test"),
            models.CheckConstraint(
                condition=models.Q(upstream__isnull=False, answers__isnull=True, ai__isnull=True)
                | models.Q(upstream__isnull=True, answers__isnull=False, ai__isnull=True)
                | models.Q(upstream__isnull=True, answers__isnull=True, ai__isnull=False),
                name="a_revision_has_an_upstream_answers_or_models",
            ),
        ]
        # Few are open at once.
        indexes = [
            models.Index(fields=["tenant", "open_until"], condition=models.Q(open_until__isnull=False), name="revisions_open_for_tests")
        ]

    def __str__(self) -> str:
        return f"Revision {self.number}"

    @property
    def is_mock(self) -> bool:
        return self.upstream_id is None and self.ai is None

    @property
    def is_ai(self) -> bool:
        return self.ai is not None

    @property
    def is_open_for_tests(self) -> bool:
        return self.open_until is not None and self.open_until > timezone.now()

    @property
    def test_segment(self) -> str:
        """What stands in the place of the version's name in its own address: no version is called so."""
        return f"{self.version.name}~{self.number}"

    @property
    def found(self) -> Lint | None:
        return None if self.lint is None else Lint.of(self.lint, self.findings)

    def about(self, path: str) -> dict[str, Any]:
        """The document as far as it tells the operations of a path: the whole of a large one takes seconds to read."""
        outline = _outline(self.pk)
        return outline.put_together(dict(self.parts.filter(number__in=outline.needed(path)).values_list("number", "content")))


# A large document's takes longer to read than a page is given, and a revision never changes. Whoever has a revision may know its outline.
@lru_cache(maxsize=16)
def _outline(revision: UUID) -> Outline:
    return Outline.of(Revision.objects.values_list("outline", flat=True).get(pk=revision))


class OperationManager(TenantManager["Operation"]):
    def get_queryset(self) -> models.QuerySet["Operation"]:
        # There are thousands, and only a search reads these.
        return super().get_queryset().defer("description", "words")


class Operation(TenantModel):
    """A method on a path of a revision: the routes at the gateway are exactly these."""

    revision = models.ForeignKey(Revision, models.CASCADE, related_name="operations")
    operation_id = models.CharField(max_length=200)
    method = models.CharField(max_length=10)
    path = models.CharField(max_length=1000)
    summary = models.CharField(max_length=200, blank=True)
    # The first of its tags.
    tag = models.CharField(max_length=200, blank=True, default="")
    deprecated = models.BooleanField(default=False)
    # Alternatives, each a list of scopes that are needed together; none where no scope is needed.
    scopes = models.JSONField(default=list)
    # Its beginning; the document has all of it.
    description = models.CharField(max_length=2000, blank=True, default="")
    words = _words("operation_id", "summary", "path", "description")

    objects: ClassVar[OperationManager] = OperationManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "revision", "operation_id"], name="one_operation_per_id")]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class PlanQuerySet(models.QuerySet["Plan"]):
    def offered(self) -> Self:
        """Those under which applications may begin."""
        return self.filter(status=Plan.Status.PUBLISHED)

    def visible_to(self, user: User | AnonymousUser | None, permissions: Set[str]) -> Self:
        """Those that somebody with these permissions here sees and may ask for, of APIs that they see. Who publishes sees all."""
        if "apis.see_all" in permissions:
            return self
        seen = models.Q(visibility=Plan.Visibility.ALL)
        if "tenant.see" in permissions and isinstance(user, User):
            seen |= models.Q(pk__in=PlanTeam.objects.filter(team__in=Team.objects.of(user)).values("plan"))
        return self.filter(seen)


PlanManager = TenantManager.from_queryset(PlanQuerySet)


class Plan(TenantModel):
    """Terms of use of an API: how many calls in how many seconds, and who decides. The name of a closed one is not given again."""

    class Status(models.TextChoices):
        STAGING = "staging", gettext_lazy("Staging")
        PUBLISHED = "published", gettext_lazy("Published")
        # Who has it keeps it, and nobody begins with it.
        DEPRECATED = "deprecated", gettext_lazy("Deprecated")
        CLOSED = "closed", gettext_lazy("Closed")

    class Approval(models.TextChoices):
        MANUAL = "manual", gettext_lazy("An approver decides")
        TWO_PEOPLE = "two_people", gettext_lazy("Two approvers decide")
        TESTS = "tests", gettext_lazy("Approved at once for test applications; an approver decides for live ones")
        AUTOMATIC = "automatic", gettext_lazy("Approved at once")

    class Visibility(models.TextChoices):
        ALL = "all", gettext_lazy("Everybody who sees the API")
        TEAMS = "teams", gettext_lazy("Some teams")

    class Period(models.TextChoices):
        DAY = quotas.Period.DAY.value, gettext_lazy("a day")
        MONTH = quotas.Period.MONTH.value, gettext_lazy("a month")

    THIS: ClassVar = gettext_lazy("this plan")
    STEPS: ClassVar[Steps] = {
        (Status.STAGING, Status.PUBLISHED): "published",
        (Status.PUBLISHED, Status.DEPRECATED): "deprecated",
        (Status.DEPRECATED, Status.PUBLISHED): "reinstated",
        (Status.STAGING, Status.CLOSED): "closed",
        (Status.PUBLISHED, Status.CLOSED): "closed",
        (Status.DEPRECATED, Status.CLOSED): "closed",
    }

    api = models.ForeignKey(Api, models.CASCADE, related_name="plans")
    name = models.CharField(max_length=40)
    calls = models.PositiveIntegerField()
    seconds = models.PositiveIntegerField()
    # How many of the calls may come at once; None for all of them.
    burst = models.PositiveIntegerField(null=True)
    # How many calls of each subscription pass in a period, from one midnight of the time zone to another; None for as many as come.
    quota = models.PositiveBigIntegerField(null=True)
    quota_period = models.CharField(max_length=5, choices=Period, default=Period.MONTH)
    quota_time_zone = models.CharField(max_length=64, default="UTC")
    # What each subscription may spend on models in a period of its own, in tokens and in millionths of a currency; None for no end.
    budget_tokens = models.PositiveBigIntegerField(null=True)
    budget_amount = models.PositiveBigIntegerField(null=True)
    budget_currency = models.CharField(max_length=3, default=budgets.CURRENCY)
    budget_period = models.CharField(max_length=5, choices=Period, default=Period.MONTH)
    budget_time_zone = models.CharField(max_length=64, default="UTC")
    # From so many percent of it on its people are warned.
    budget_soft_percent = models.PositiveSmallIntegerField(default=budgets.SOFT_PERCENT)
    approval = models.CharField(max_length=10, choices=Approval, default=Approval.MANUAL)
    # So many days after it begins, a subscription under it ends; None where none of them ends by itself.
    trial_days = models.PositiveSmallIntegerField(null=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.STAGING)
    # Of the scopes that the API's operations need, those that it includes, in order; empty for all.
    scopes = ArrayField(models.CharField(max_length=200), default=list)
    # Of an AI API: how many tokens an answer may be asked for, and how many each application may ask for in a minute; see `models` below.
    max_tokens = models.PositiveIntegerField(null=True)
    tokens_per_minute = models.PositiveIntegerField(null=True)
    # Who sees it, beside those who may publish; of TEAMS: see PlanTeam.
    visibility = models.CharField(max_length=5, choices=Visibility, default=Visibility.ALL)
    # Why it is deprecated or closed, in the words of who did it.
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # Of those that an AI API offers, the ones that it includes; empty for all. The last of the fields, for it is called as their module is.
    models = ArrayField(models.CharField(max_length=MOST_OFFERED), default=list)

    objects: ClassVar[PlanManager["Plan"]] = PlanManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "api", "name"], name="one_plan_per_name"),
            models.CheckConstraint(condition=models.Q(calls__gt=0, seconds__gt=0), name="a_plan_allows_something"),
            models.CheckConstraint(
                condition=models.Q(burst=None) | models.Q(burst__gt=0, burst__lte=models.F("calls")), name="a_burst_within_the_calls"
            ),
            models.CheckConstraint(
                condition=models.Q(quota=None) | models.Q(quota__gt=0, quota__lte=quotas.MOST_CALLS), name="a_quota_within_bounds"
            ),
            models.CheckConstraint(condition=models.Q(quota_period__in=["day", "month"]), name="a_quota_of_a_day_or_a_month"),
            models.CheckConstraint(
                condition=(models.Q(budget_tokens=None) | models.Q(budget_tokens__range=(1, budgets.MOST_TOKENS)))
                & (models.Q(budget_amount=None) | models.Q(budget_amount__range=(1, budgets.MOST_AMOUNT))),
                name="a_plans_budget_within_bounds",
            ),
            models.CheckConstraint(
                condition=models.Q(budget_period__in=["day", "month"]) & models.Q(budget_soft_percent__range=budgets.SOFT_PERCENTS),
                name="a_plans_budget_of_a_day_or_a_month",
            ),
            models.CheckConstraint(
                condition=(models.Q(max_tokens=None) | models.Q(max_tokens__range=(1, MOST_TOKENS)))
                & (models.Q(tokens_per_minute=None) | models.Q(tokens_per_minute__range=(1, MOST_TOKENS))),
                name="tokens_of_a_plan_within_bounds",
            ),
            models.CheckConstraint(condition=models.Q(visibility__in=["all", "teams"]), name="a_plans_visibility_of_the_two"),
            models.CheckConstraint(
                condition=models.Q(trial_days=None) | models.Q(trial_days__range=(1, 365)), name="a_trial_has_some_days"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def budget(self) -> budgets.Budget:
        return budgets.Budget(
            self.budget_tokens,
            self.budget_amount,
            self.budget_currency,
            self.budget_period,
            self.budget_time_zone,
            self.budget_soft_percent,
        )

    @property
    def terms(self) -> str:
        """What it allows in words: “60 calls a minute; 5,000 calls a day (UTC)”, “60 calls a minute, a trial of 30 days”."""
        limits = limits_in_words(self.calls, self.seconds, self.quota, self.quota_period, self.quota_time_zone, burst=self.burst)
        terms = with_trial(limits, self.trial_days)
        if self.scopes:
            terms = _("%(terms)s; scopes: %(scopes)s") % {"terms": terms, "scopes": ", ".join(self.scopes)}
        return "; ".join([terms, *self.terms_of_models, *([budget_in_words(self.budget)] if self.budget.is_set else [])])

    @property
    def terms_of_models(self) -> list[str]:
        """What it allows of an AI API beside calls: “5,000 tokens a minute”, “models: fast”."""
        found = []
        if self.tokens_per_minute:
            found.append(_("%(many)s tokens a minute") % {"many": number_format(self.tokens_per_minute, force_grouping=True)})
        if self.max_tokens:
            found.append(_("answers of up to %(many)s tokens") % {"many": number_format(self.max_tokens, force_grouping=True)})
        if self.models:
            found.append(_("models: %(models)s") % {"models": ", ".join(self.models)})
        return found

    def approves_at_once(self, environment: str) -> bool:
        """Whether it does for an application of this environment, where no rule says otherwise."""
        return self.approval == Plan.Approval.AUTOMATIC or (
            self.approval == Plan.Approval.TESTS and environment == Application.Environment.TEST
        )


def with_trial(limits: str, days: int | None) -> str:
    """Limits in words, and for how long they are given where that is a trial."""
    if not days:
        return limits
    return ngettext("%(limit)s, a trial of %(days)s day", "%(limit)s, a trial of %(days)s days", days) % {"limit": limits, "days": days}


class PlanTeam(TenantModel):
    """A team whose members see a plan that is for some teams alone."""

    plan = models.ForeignKey(Plan, models.CASCADE, related_name="audience")
    team = models.ForeignKey(Team, models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "plan", "team"], name="sees_a_plan_once")]

    def __str__(self) -> str:
        return f"{self.team} sees {self.plan}"


def limit_in_words(calls: int, seconds: int, burst: int | None = None) -> str:
    """“60 calls a minute”, “1,000 calls in 10 seconds, at most 50 at once”."""
    if burst is not None and burst != calls:
        said = _("%(limit)s, at most %(burst)s at once")
        return said % {"limit": limit_in_words(calls, seconds), "burst": number_format(burst, force_grouping=True)}
    many = ngettext("%(many)s call", "%(many)s calls", calls) % {"many": number_format(calls, force_grouping=True)}
    match seconds:
        case 1:
            said = _("%(calls)s a second")
        case 60:
            said = _("%(calls)s a minute")
        case 3_600:
            said = _("%(calls)s an hour")
        case 86_400:
            said = _("%(calls)s a day")
        case _:
            said = _("%(calls)s in %(time)s")
    return said % {"calls": many, "time": time_in_words(seconds)}


def limits_in_words(calls: int, seconds: int, quota: int | None, period: str, time_zone: str, *, burst: int | None = None) -> str:
    """“60 calls a minute; 5,000 calls a day (UTC)”."""
    limit = limit_in_words(calls, seconds, burst)
    return _("%(limit)s; %(quota)s") % {"limit": limit, "quota": quota_in_words(quota, period, time_zone)} if quota else limit


def quota_in_words(quota: int, period: str, time_zone: str) -> str:
    """“5,000 calls a day (UTC)”."""
    many = ngettext("%(many)s call", "%(many)s calls", quota) % {"many": number_format(quota, force_grouping=True)}
    said = _("%(calls)s a day (%(zone)s)") if period == Plan.Period.DAY else _("%(calls)s a month (%(zone)s)")
    return said % {"calls": many, "zone": time_zone.replace("_", " ")}


def budget_in_words(budget: budgets.Budget) -> str:
    """“5,000 tokens or USD 12.5 a month (UTC)”."""
    ends = []
    if budget.tokens:
        many = number_format(budget.tokens, force_grouping=True)
        ends.append(ngettext("%(many)s token", "%(many)s tokens", budget.tokens) % {"many": many})
    if budget.amount:
        ends.append(f"{budget.currency} {number_format(budgets.units(budget.amount).normalize(), force_grouping=True)}")
    said = _("%(ends)s a day (%(zone)s)") if budget.period == Plan.Period.DAY else _("%(ends)s a month (%(zone)s)")
    return said % {"ends": _(" or ").join(ends), "zone": budget.time_zone.replace("_", " ")}


def time_in_words(seconds: int) -> str:
    """In the largest unit that is whole."""
    if not seconds % 86_400:
        return ngettext("%(many)s day", "%(many)s days", seconds // 86_400) % {"many": seconds // 86_400}
    if not seconds % 3_600:
        return ngettext("%(many)s hour", "%(many)s hours", seconds // 3_600) % {"many": seconds // 3_600}
    if not seconds % 60:
        return ngettext("%(many)s minute", "%(many)s minutes", seconds // 60) % {"many": seconds // 60}
    return ngettext("%(many)s second", "%(many)s seconds", seconds) % {"many": number_format(seconds, force_grouping=True)}
