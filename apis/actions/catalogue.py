"""How APIs stand in the catalogue: the categories of a tenant, and an API's own category and tags."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from apis.models import MOST_TAGS, Api, ApiTeam, Category
from tenants import events, limits
from tenants.errors import Invalid
from tenants.models import Event, Team, Tenant, User
from tenants.scope import current_tenant_id

LONGEST_CATEGORY = 40
LONGEST_TAG = 30


@transaction.atomic
def change_categories(kept: Mapping[UUID, str], *, new: Sequence[str] = (), by: User) -> Event | None:
    """Have these categories from now on: each that there is under this name, those that are left out no longer, and the new ones.

    APIs of one that goes have none. None if nothing changed.

    :raises Invalid: two of one name, a name that is empty or too long, an id that is none, or too many.
    """
    events.lock()
    there = {each.pk: each for each in Category.objects.order_by("name")}
    was = sorted(each.name for each in there.values())
    if kept.keys() - there.keys():
        raise Invalid({"categories": [_("There is no such category any more.")]})
    names = [_plain(name) for name in (*kept.values(), *new)]
    _check_categories(names)
    gone = there.keys() - kept.keys()
    Api.objects.filter(category__in=gone).update(category=None)
    Category.objects.filter(pk__in=gone).delete()
    renamed = [pk for pk, name in kept.items() if _plain(name) != there[pk].name]
    # Two may change their names for one another's, and a constraint on an expression can't wait.
    for pk in renamed:
        Category.objects.filter(pk=pk).update(name=str(pk))
    for pk in renamed:
        Category.objects.filter(pk=pk).update(name=_plain(kept[pk]))
    Category.objects.bulk_create(Category(name=_plain(name)) for name in new)
    if was == sorted(names):
        return None
    tenant = Tenant.objects.get(pk=current_tenant_id())
    return events.record("categories.changed", tenant, by=by, was={"categories": was}, now={"categories": sorted(names)})


def _check_categories(names: Sequence[str]) -> None:
    problems = []
    if len(names) > limits.CATEGORIES:
        problems.append(_("%(most)s categories are the most.") % {"most": limits.CATEGORIES})
    if not all(names):
        problems.append(_("Each category needs a name."))
    problems += [_("“%(name)s” is too long for a category.") % {"name": each[:80]} for each in names if len(each) > LONGEST_CATEGORY]
    lower = [each.lower() for each in names]
    twice = [name for name in dict.fromkeys(names) if lower.count(name.lower()) > 1]
    problems += [_("There is a category “%(name)s” already.") % {"name": name} for name in twice]
    if problems:
        raise Invalid({"categories": problems})


@transaction.atomic
def place(
    api: Api,
    *,
    category: Category | Literal[""] | None = None,
    tags: Sequence[str] | None = None,
    visibility: str | None = None,
    teams: Sequence[Team] | None = None,
    by: User | None,
) -> Event | None:
    """Change where the API stands in the catalogue, and who sees it there: what is given and differs. None if nothing changed.

    Who has subscribed to what they don't see any more goes on calling it.

    :param category: "" for none.
    :param teams: whose members see it, where it is for some teams alone.
    :raises Invalid: too many tags, one that is too long, a category or a team that is none any more, or no team where one is needed.
    """
    events.lock()
    api.refresh_from_db(fields=["category", "tags", "visibility"])
    was = _standing(api)
    if category is not None:
        api.category = category or None
        if category and not Category.objects.filter(pk=category.pk).exists():
            raise Invalid({"category": [_("There is no such category any more.")]})
    if tags is not None:
        api.tags = tags_of(tags)
    if visibility is not None:
        api.visibility = visibility
    _change_audience(api, teams)
    now = _standing(api)
    changed = [name for name in now if now[name] != was[name]]
    if not changed:
        return None
    api.save(update_fields=["category", "tags", "visibility"])
    return events.record("api.placed", api, by=by, was={name: was[name] for name in changed}, now={name: now[name] for name in changed})


def _standing(api: Api) -> dict[str, Any]:
    return {
        "category": api.category.name if api.category else None,
        "tags": list(api.tags),
        "visibility": str(api.visibility),
        "teams": sorted(ApiTeam.objects.filter(api=api).values_list("team__name", flat=True)),
    }


def _change_audience(api: Api, teams: Sequence[Team] | None) -> None:
    if api.visibility != Api.Visibility.TEAMS:
        ApiTeam.objects.filter(api=api).delete()
        return
    if teams is not None:
        wanted = {each.pk for each in teams}
        if Team.objects.filter(pk__in=wanted).count() != len(wanted):
            raise Invalid({"teams": [_("One of these teams is not there any more.")]})
        ApiTeam.objects.filter(api=api).exclude(team__in=wanted).delete()
        there = set(ApiTeam.objects.filter(api=api).values_list("team", flat=True))
        ApiTeam.objects.bulk_create(ApiTeam(api=api, team_id=pk) for pk in sorted(wanted - there))
    if not ApiTeam.objects.filter(api=api).exists():
        raise Invalid({"teams": [_("Choose at least one team that sees it.")]})


def tags_of(given: Sequence[str]) -> list[str]:
    """In lower case, each once.

    :raises Invalid: too many, or one that is too long.
    """
    found = list(dict.fromkeys(tag for each in given if (tag := _plain(each).lower())))
    problems = [_("“%(tag)s” is too long for a tag.") % {"tag": each[:80]} for each in found if len(each) > LONGEST_TAG]
    if len(found) > MOST_TAGS:
        problems.append(_("%(most)s tags are the most.") % {"most": MOST_TAGS})
    if problems:
        raise Invalid({"tags": problems})
    return found


def _plain(text: str) -> str:
    return " ".join(text.split())
