"""Which groups a gateway is in. Whoever changes that holds nodes.lock()."""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _

from gateway.models import DEFAULT, DEFAULT_NAME, GatewayGroup, GatewayNode, GroupedNode
from gateway.views import NOTICE
from tenants import events
from tenants.errors import Invalid
from tenants.events import CHANNEL
from tenants.models import PlatformEvent, User


def locked(ids: Iterable[UUID]) -> list[GatewayGroup]:
    """In the order of their ids. Who uses a group and who takes it away wait for one another."""
    return list(GatewayGroup.objects.select_for_update().filter(pk__in=list(ids)).order_by("pk"))


def groups_of_gateway(node: GatewayNode) -> list[str]:
    """By their names, sorted."""
    return list(GroupedNode.objects.filter(node=node).order_by("group__name").values_list("group__name", flat=True)) or [DEFAULT_NAME]


def named(names: Collection[str]) -> list[GatewayGroup]:
    """
    :raises Invalid: there is none of that name.
    """
    found = list(GatewayGroup.objects.filter(name__in=names))
    if unknown := sorted(set(names) - {each.name for each in found}):
        raise Invalid({"groups": [_("There is no group “%(name)s” here.") % {"name": each} for each in unknown]})
    return found


def put(node: GatewayNode, wanted: Sequence[GatewayGroup], *, by: User | None) -> PlatformEvent | None:
    """Into these groups and no others; None where it is so already. It gets what it misses and loses the rest at once."""
    was, now = groups_of_gateway(node), sorted(each.name for each in wanted)
    if was == now:
        return None
    GroupedNode.objects.filter(node=node).delete()
    GroupedNode.objects.bulk_create(GroupedNode(node=node, group=each) for each in wanted if not is_usual(wanted))
    tell()
    return events.record_platform("gateway.groups_changed", node, by=by, was=was, now=now)


def is_usual(groups: Sequence[GatewayGroup]) -> bool:
    """What needs no rows."""
    return [each.pk for each in groups] == [DEFAULT]


def tell() -> None:
    """Gateways that see something else from now on hear of it with the transaction's end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, NOTICE])
