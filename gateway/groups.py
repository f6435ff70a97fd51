"""Groups of gateways: operators make them and say which gateways are there, publishers which of their APIs are."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from apis import origins
from apis.models import Api
from gateway import nodes, placing
from gateway.models import (
    DEFAULT,
    DEFAULT_NAME,
    MOST_GROUPS,
    ApiGroup,
    GatewayGroup,
    GatewayNode,
    GroupTenant,
    GroupUse,
    JoinToken,
)
from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.models import SLUG, Event, HostName, PlatformEvent, Tenant, User
from tenants.scope import current_tenant_id

MAX_NAME, MAX_DESCRIPTION, MAX_URL = 40, 300, 300
# How many are named in a sentence.
NAMED = 3


# Operators


@transaction.atomic
def create(*, name: str, description: str = "", url: str = "", by: User | None) -> GatewayGroup:
    """A group without gateways, which every tenant may use.

    :raises Invalid: by field. :raises NotAllowed: there are too many.
    """
    # One after the other, so that they are counted.
    nodes.lock()
    if GatewayGroup.objects.count() >= MOST_GROUPS:
        raise NotAllowed(_("%(most)s groups are the most.") % {"most": MOST_GROUPS})
    made = GatewayGroup(name=_name(name), description=_description(description), url=_url(url))
    made.save(force_insert=True)
    events.record_platform("gateway_group.created", made, by=by, **_told(made))
    return made


@transaction.atomic
def change(group: GatewayGroup, changes: Mapping[str, Any], *, by: User | None) -> PlatformEvent | None:
    """Change what is named and differs of name, description, url, for_all and tenants; None where nothing does.

    :param changes: `tenants` by their slugs: who may use it where it is not for all.
    :raises Invalid: by field. :raises NotAllowed: what the default group stays, and tenants whose APIs are there.
    """
    nodes.lock()
    found = _one(group.pk)
    was = {**_told(found), "tenants": _tenants(found)}
    if "name" in changes:
        found.name = _name(changes["name"], but=found.pk)
    if "description" in changes:
        found.description = _description(changes["description"])
    if "url" in changes:
        found.url = _url(changes["url"])
    found.for_all = changes.get("for_all", found.for_all)
    wanted = sorted(set(changes["tenants"])) if "tenants" in changes else was["tenants"]
    if found.for_all:
        wanted = []
    if found.is_default and (found.name != was["name"] or not found.for_all):
        raise NotAllowed(_("The default group keeps its name, and is for every tenant."))
    _allow(found, wanted)
    now = {**_told(found), "tenants": wanted}
    changed = [each for each in now if now[each] != was[each]]
    if not changed:
        return None
    found.save()
    if "url" in changed:
        placing.tell()
    group.refresh_from_db()
    return events.record_platform(
        "gateway_group.changed", found, by=by, was={each: was[each] for each in changed}, now={each: now[each] for each in changed}
    )


@transaction.atomic
def delete(group: GatewayGroup, *, by: User | None) -> PlatformEvent:
    """
    :raises NotAllowed: it is the default group, something is in it, or a join token leads there.
    """
    nodes.lock()
    found = _one(group.pk)
    if found.is_default:
        raise NotAllowed(_("The default group stays: what nobody placed is there."))
    if names := list(found.nodes.order_by("node__name").values_list("node__name", flat=True)):
        raise NotAllowed(_("Gateways are in it: %(names)s. Move them first.") % {"names": _some(names)})
    if users := _users(found):
        raise NotAllowed(_("APIs of %(tenants)s are in it. Their publishers have to move them first.") % {"tenants": _some(users)})
    if names := list(JoinToken.objects.waiting().filter(groups__contains=[found.pk]).order_by("name").values_list("name", flat=True)):
        raise NotAllowed(_("Join tokens lead there: %(names)s. Revoke them first.") % {"names": _some(names)})
    told = events.record_platform("gateway_group.deleted", found, by=by)
    GatewayGroup.objects.filter(pk=found.pk).delete()
    return told


@transaction.atomic
def place_gateway(node: GatewayNode, groups: Sequence[GatewayGroup], *, by: User | None) -> PlatformEvent | None:
    """Say which groups a gateway is in; None where it is so already. It gets what it misses and loses the rest at once.

    :raises Invalid: no group, or one that is not there any more.
    """
    nodes.lock()
    wanted = placing.locked(each.pk for each in groups)
    if not wanted or len(wanted) != len({each.pk for each in groups}):
        raise Invalid({"groups": [_("Choose at least one group.") if not groups else _("One of these groups is not there any more.")]})
    found = GatewayNode.objects.select_for_update().get(pk=node.pk)
    return placing.put(found, wanted, by=by)


# Publishers


def usable() -> QuerySet[GatewayGroup]:
    """Those that the tenant in scope may put its APIs in."""
    allowed = GroupTenant.objects.filter(tenant_id=current_tenant_id()).values("group")
    return GatewayGroup.objects.filter(Q(for_all=True) | Q(pk__in=allowed)).order_by("name")


@transaction.atomic
def place_api(api: Api, groups: Sequence[str], *, by: User | None) -> Event | None:
    """Say which groups' gateways serve an API; None where it is so already. The others answer its calls as if there were none.

    :param groups: by their names.
    :raises Invalid: no group, or one that the tenant may not use.
    """
    events.lock()
    was = groups_of_api(api)
    names = sorted(set(groups))
    may = Q(pk__in=usable()) | Q(pk__in=ApiGroup.objects.filter(api=api).values("group"))
    known = dict(GatewayGroup.objects.filter(may, name__in=names).values_list("name", "pk"))
    if unknown := [name for name in names if name not in known]:
        raise Invalid({"groups": [_("There is no group “%(name)s” here.") % {"name": name[:MAX_NAME]} for name in unknown[:NAMED]]})
    if not names:
        raise Invalid({"groups": [_("Choose at least one group: an API in none would be served nowhere.")]})
    wanted = placing.locked(known.values())
    if len(wanted) != len(names):
        raise Invalid({"groups": [_("One of these groups is not there any more.")]})
    if was == names:
        return None
    ApiGroup.objects.filter(api=api).delete()
    ApiGroup.objects.bulk_create(ApiGroup(api=api, group=each) for each in wanted if not placing.is_usual(wanted))
    _note_uses()
    told = events.record("api.gateways_changed", api, by=by, was=was, now=names)
    placing.tell()
    return told


def groups_of_api(api: Api) -> list[str]:
    """By their names, sorted."""
    return list(ApiGroup.objects.filter(api=api).order_by("group__name").values_list("group__name", flat=True)) or [DEFAULT_NAME]


def addresses(api: Api) -> list[tuple[str, str]]:
    """Where gateways that serve an API of the tenant in scope are reached: names of groups, each with its URL."""
    placed = ApiGroup.objects.filter(api=api)
    there = Q(Exists(placed.filter(group=OuterRef("pk")))) | Q(~Exists(placed), pk=DEFAULT)
    found = GatewayGroup.objects.filter(there).order_by("name").values_list("name", "url")
    return [(name, url or settings.GATEWAY_URL) for name, url in found] or [(DEFAULT_NAME, settings.GATEWAY_URL)]


def base_of(api: Api) -> str:
    """The first of them, the default group's before others."""
    found = addresses(api)
    return dict(found).get(DEFAULT_NAME, found[0][1])


def _note_uses() -> None:
    """In which groups the tenant in scope has APIs, for who may not look into it."""
    tenant_id = current_tenant_id()
    now = set(ApiGroup.objects.exclude(group=DEFAULT).values_list("group", flat=True))
    there = GroupUse.objects.filter(tenant_id=tenant_id)
    there.exclude(group__in=now).delete()
    new = now - set(there.values_list("group", flat=True))
    GroupUse.objects.bulk_create(GroupUse(tenant_id=tenant_id, group_id=pk) for pk in sorted(new))


# Of both


def _one(pk: UUID) -> GatewayGroup:
    found = placing.locked([pk])
    if not found:
        raise NotAllowed(_("This group is not there any more."))
    return found[0]


def _told(group: GatewayGroup) -> dict[str, Any]:
    return {"name": group.name, "description": group.description, "url": group.url, "for_all": group.for_all}


def _tenants(group: GatewayGroup) -> list[str]:
    return list(group.tenants.order_by("tenant__slug").values_list("tenant__slug", flat=True))


def _users(group: GatewayGroup, *, but: Iterable[str] = ()) -> list[str]:
    """The names of tenants whose APIs are there."""
    rows = group.uses.exclude(tenant__slug__in=list(but)).order_by("tenant__name")
    return list(rows.values_list("tenant__name", flat=True)[: NAMED + 1])


def _allow(group: GatewayGroup, slugs: Sequence[str]) -> None:
    """These tenants alone, where the group is not for all."""
    found = dict(Tenant.objects.filter(slug__in=slugs).values_list("slug", "pk"))
    if unknown := [slug for slug in slugs if slug not in found]:
        raise Invalid({"tenants": [_("There is no tenant “%(slug)s”.") % {"slug": slug[:40]} for slug in unknown[:NAMED]]})
    if not group.for_all and (users := _users(group, but=slugs)):
        sentence = _("APIs of %(tenants)s are in it, so they may use it. Their publishers have to move them first.")
        raise NotAllowed(sentence % {"tenants": _some(users)})
    group.tenants.exclude(tenant__in=found.values()).delete()
    there = set(group.tenants.values_list("tenant", flat=True))
    GroupTenant.objects.bulk_create(GroupTenant(group=group, tenant_id=found[slug]) for slug in slugs if found[slug] not in there)


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:NAMED], *(["…"] if len(names) > NAMED else [])])


def _name(text: str, *, but: UUID | None = None) -> str:
    name = text.strip()
    if not name:
        raise Invalid({"name": [_("A group needs a name.")]})
    if len(name) > MAX_NAME:
        raise Invalid({"name": [_("%(most)s characters are the most.") % {"most": MAX_NAME}]})
    try:
        SLUG(name)
    except ValidationError as error:
        raise Invalid({"name": error.messages}) from None
    others = GatewayGroup.objects.filter(name=name)
    if (others.exclude(pk=but) if but else others).exists():
        raise Invalid({"name": [_("There is a group “%(name)s” already.") % {"name": name}]})
    return name


def _description(text: str) -> str:
    if len(text.strip()) > MAX_DESCRIPTION:
        raise Invalid({"description": [_("%(most)s characters are the most.") % {"most": MAX_DESCRIPTION}]})
    return text.strip()


def _url(text: str) -> str:
    """As apis.origins writes it: an address ends after the host and port."""
    given = text.strip().removesuffix("/")
    if not given:
        return ""
    try:
        found = origins.origin(given)
    except origins.OriginRefused as refused:
        raise Invalid({"url": [_(refused.sentence) % refused.named]}) from None
    if urlsplit(found).scheme != "https" and urlsplit(settings.GATEWAY_URL).scheme == "https":
        raise Invalid({"url": [_("Write an address that begins with https://: tokens go there.")]})
    if HostName.objects.filter(name=urlsplit(found).hostname).exists():
        # Its routes would have the name twice, which no gateway takes.
        raise Invalid({"url": [_("This domain is another tenant's.")]})
    return found
