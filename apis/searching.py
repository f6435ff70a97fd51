"""Searching the catalogue: APIs by the words of their own texts and of their live operations.

An index on the words would be of no use: PostgreSQL lets no operator look at rows before row security has, but those that tell nothing of
what they see, and `@@` is none. So all that a tenant has live is read, which `tenants.limits` keeps small.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.postgres.aggregates import BoolOr
from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import Case, Count, F, IntegerField, Max, Q, Value, When, Window
from django.db.models.functions import RowNumber

from apis import words
from apis.models import Api, ApiVersion, Operation

# So many operations are told of an API.
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Found:
    """Of one API the operations that have most of what is sought, the best first; `more`: how many others have as much."""

    operations: list[Operation]
    more: int


def matching(terms: Sequence[str]) -> Mapping[UUID, float]:
    """The APIs in which each of the terms is found, in their own texts or in any of their operations, and how well they fit.

    Of the tenant in scope all, published or not: it is for the caller to look for those that somebody may see among them.
    """
    if not terms:
        return {}
    live = _live()
    any_of = _query(words.either(terms))
    names = [f"has_{number}" for number in range(len(terms))]
    has = {name: BoolOr(Q(words=_query(words.query(term)))) for name, term in zip(names, terms, strict=True)}
    said = {"rank": Max(SearchRank(F("words"), any_of)), **has}
    own = Api.objects.filter(words=any_of).values("pk").annotate(**said).order_by()
    theirs = Operation.objects.filter(revision__in=[*live], words=any_of).values("revision").annotate(**said).order_by()
    ranks: dict[UUID, float] = defaultdict(float)
    told: dict[UUID, set[str]] = defaultdict(set)
    rows: list[tuple[UUID, Any, int]] = [(row["pk"], row, 2) for row in own]
    rows += [(live[row["revision"]][0], row, 1) for row in theirs]
    for api, row, weight in rows:
        ranks[api] += weight * row["rank"]
        told[api].update(name for name in names if row[name])
    return {api: rank for api, rank in ranks.items() if len(told[api]) == len(names)}


def operations_found(apis: Collection[UUID], terms: Sequence[str]) -> Mapping[UUID, Found]:
    """By API. Each operation has `version`, the name of the one that it is live in."""
    if not apis or not terms:
        return {}
    live = _live(api__in=apis)
    any_of = _query(words.either(terms))
    many: Any = Value(0)
    for term in terms:
        many += Case(When(words=_query(words.query(term)), then=1), default=0, output_field=IntegerField())
    rows = Operation.objects.filter(revision__in=[*live], words=any_of).annotate(many=many, rank=SearchRank(F("words"), any_of))
    best: Any = [F("many").desc(), F("rank").desc(), F("path"), F("method")]
    rows = rows.annotate(
        place=Window(RowNumber(), partition_by="revision", order_by=best),
        alike=Window(Count("pk"), partition_by=["revision", "many"]),
    )
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows.filter(place__lte=SHOWN).defer(None).defer("words", "scopes"):
        api, row.version = live[row.revision_id]  # type: ignore[attr-defined]
        found[api].append(row)
    return {api: _best(own) for api, own in found.items()}


def _best(own: list[Any]) -> Found:
    """Of the best of each version."""
    most = max(each.many for each in own)
    having = sorted((each for each in own if each.many == most), key=lambda each: (-each.rank, each.path, each.method, each.version))
    alike = sum({each.revision_id: each.alike for each in having}.values())
    return Found(having[:SHOWN], alike - len(having[:SHOWN]))


def _live(**more: Any) -> dict[UUID, tuple[UUID, str]]:
    """By revision the API and the name of the version. Asked for by itself, so that no estimate of a join goes wrong."""
    rows = ApiVersion.objects.offered().filter(**more).values_list("live_revision", "api", "name")
    return {revision: (api, name) for revision, api, name in rows}


def _query(raw: str) -> SearchQuery:
    return SearchQuery(raw, config="simple", search_type="raw")
