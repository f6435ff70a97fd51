"""What a gateway sees of every tenant. Gateways of the same view get the same configuration, which is read and compiled once for all."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import UUID

from gateway.envoy import versions
from gateway.models import DEFAULT, ApiGroup, GatewayGroup, GatewayNode, GroupedNode, GroupUse

# What is said on the channel of decisions when a group changed: who is in it, its address, or whose APIs are there.
NOTICE = "groups"


@dataclass(frozen=True, slots=True)
class View:
    """`groups`: the ids of those that it is in, sorted. `hosts`: the names that calls may carry there beside PORTICO_GATEWAY_HOSTS.

    `serves_ai`: whether its Envoy is of a version that can serve APIs of AI models.
    """

    groups: tuple[UUID, ...] = (DEFAULT,)
    hosts: tuple[str, ...] = ()
    serves_ai: bool = True

    @property
    def serves_all(self) -> bool:
        """Whether every tenant may be called there."""
        return DEFAULT in self.groups


# A gateway's of which nobody said anything.
USUAL = View()


@dataclass(frozen=True, slots=True)
class Groups:
    """Which gateways are in which groups by their ids, the groups' host names, and in which groups beside the default tenants have APIs.

    `old`: gateways that can't serve APIs of AI models.
    """

    nodes: Mapping[UUID, tuple[UUID, ...]] = field(default_factory=dict)
    hosts: Mapping[UUID, str] = field(default_factory=dict)
    tenants: Mapping[UUID, frozenset[UUID]] = field(default_factory=dict)
    old: frozenset[UUID] = frozenset()

    def view(self, node: UUID) -> View:
        groups = self.nodes.get(node, USUAL.groups)
        return View(groups, tuple(sorted({self.hosts[each] for each in groups if each in self.hosts})), node not in self.old)

    def serves(self, view: View, tenant: UUID) -> bool:
        return view.serves_all or any(tenant in self.tenants.get(group, ()) for group in view.groups)


def read() -> Groups:
    """As it stands now. Ids alone, so it is read in no tenant's scope."""
    nodes, tenants = defaultdict(list), defaultdict(set)
    for node, group in GroupedNode.objects.order_by("group").values_list("node", "group"):
        nodes[node].append(group)
    for group, tenant in GroupUse.objects.values_list("group", "tenant"):
        tenants[group].add(tenant)
    urls = GatewayGroup.objects.exclude(url="").values_list("pk", "url")
    return Groups(
        {node: tuple(groups) for node, groups in nodes.items()},
        {group: urlsplit(url).hostname or "" for group, url in urls},
        {group: frozenset(found) for group, found in tenants.items()},
        # One that has not told its version yet tells it before it is given anything.
        frozenset(pk for pk, version in GatewayNode.objects.values_list("pk", "version") if version and not versions.serves_ai(version)),
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """Which APIs of the tenant in scope the gateways of a view serve. `placed`: their groups, where somebody said something."""

    groups: frozenset[UUID]
    placed: Mapping[UUID, frozenset[UUID]]

    def has(self, api: UUID) -> bool:
        return not self.groups.isdisjoint(self.placed.get(api, _UNLESS_SAID))

    @property
    def nothing(self) -> bool:
        """No API of the tenant is there, nor comes there by itself."""
        return DEFAULT not in self.groups and not any(map(self.has, self.placed))


_UNLESS_SAID = frozenset({DEFAULT})
# Where nobody said anything of any.
ALL = Shown(_UNLESS_SAID, {})


def shown(view: View, *, placed: bool = True) -> Shown:
    """Of the tenant in scope.

    :param placed: whether somebody said of some API where it is.
    """
    groups_of = defaultdict(set)
    for api, group in ApiGroup.objects.values_list("api", "group") if placed else ():
        groups_of[api].add(group)
    return Shown(frozenset(view.groups), {api: frozenset(groups) for api, groups in groups_of.items()})
