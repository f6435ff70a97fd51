"""Whether a credential can go without anybody missing it: what is known of its use, and what follows from that."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from babel.dates import format_timedelta
from django.db.models import Exists, IntegerField, Max, Min, OuterRef, QuerySet, Subquery, Sum, TextChoices
from django.db.models.functions import Coalesce
from django.utils import timezone, translation
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from keys.models import Credential, CredentialUse

# Today and the days before it (UTC).
DAYS = 7
# A program that was given the replacement, but not on all its machines, is seen again within that.
QUIET = timedelta(days=1)


class Level(TextChoices):
    SAFE = "safe", gettext_lazy("Yes")
    USED_LATELY = "used_lately", gettext_lazy("Not yet")
    UNKNOWN = "unknown", gettext_lazy("Not known yet")


@dataclass(frozen=True, slots=True)
class Use:
    """What a credential did. `calls` are those of the last 7 days; `replaced` is None without a replacement, else whether that is used."""

    first_at: datetime | None = None
    last_at: datetime | None = None
    calls: int = 0
    replaced: bool | None = None

    @classmethod
    def of(cls, credential: Credential) -> Self:
        """Of a row that `with_use` brought; one that was just made was not used."""
        row = vars(credential)
        replaced = bool(row["replacement_used"]) if row.get("has_replacement") else None
        return cls(row.get("first_used_at"), row.get("last_used_at"), row.get("calls_lately", 0), replaced)


@dataclass(frozen=True, slots=True)
class Verdict:
    level: Level
    sentence: str


def with_use(credentials: QuerySet[Credential]) -> QuerySet[Credential]:
    """The same rows with what `Use.of` reads, in the same query."""
    uses = CredentialUse.objects.filter(credential=OuterRef("pk")).order_by().values("credential")
    since = timezone.now().astimezone(UTC).date() - timedelta(days=DAYS - 1)
    calls = uses.filter(day__gte=since).annotate(sum=Sum("calls")).values("sum")
    return credentials.annotate(
        first_used_at=Subquery(uses.annotate(at=Min("first_at")).values("at")),
        last_used_at=Subquery(uses.annotate(at=Max("last_at")).values("at")),
        calls_lately=Coalesce(Subquery(calls, output_field=IntegerField()), 0),
        has_replacement=Exists(Credential.objects.filter(replaces=OuterRef("pk"))),
        replacement_used=Exists(CredentialUse.objects.filter(credential__replaces=OuterRef("pk"))),
    )


def verdict(credential: Credential, use: Use, *, now: datetime) -> Verdict | None:
    """Whether it is safe to revoke; None for what has ended already."""
    if credential.status not in {Credential.Status.ACTIVE, Credential.Status.EXPIRING}:
        return None
    if use.last_at is None:
        return _of_unused(now - credential.created_at)
    quiet = now - use.last_at
    if quiet >= timedelta(days=DAYS):
        return Verdict(Level.SAFE, _("It was not used for %(time)s.") % {"time": _in_words(quiet)})
    if quiet >= QUIET and use.replaced:
        said = _("Its replacement is in use, and it was itself not used for %(time)s.")
        return Verdict(Level.SAFE, said % {"time": _in_words(quiet)})
    return Verdict(Level.USED_LATELY, f"{_lately(use, quiet)} {_of_replacement(use)}".strip())


def _of_unused(age: timedelta) -> Verdict:
    if age >= timedelta(days=DAYS):
        return Verdict(Level.SAFE, _("It was never used."))
    return Verdict(Level.UNKNOWN, _("It was not used yet, and is only %(time)s old.") % {"time": _in_words(age)})


def _lately(use: Use, quiet: timedelta) -> str:
    said = ngettext(
        "It was used %(time)s ago, with %(many)s call in the last 7 days.",
        "It was used %(time)s ago, with %(many)s calls in the last 7 days.",
        use.calls,
    )
    return said % {"time": _in_words(quiet), "many": number_format(use.calls, force_grouping=True)}


def _of_replacement(use: Use) -> str:
    if use.replaced is None:
        return ""
    return _("Its replacement is in use too.") if use.replaced else _("Its replacement was not used yet.")


def _in_words(time: timedelta) -> str:
    locale = translation.to_locale(translation.get_language() or "en")
    return str(format_timedelta(max(time, timedelta(seconds=1)), threshold=1.2, locale=locale))
