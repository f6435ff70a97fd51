"""The members of a tenant: their roles, and what those let them do. How they go: portal.pages.leaving."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from keys.models import Application
from portal.forms import PageForm
from portal.kept import given
from portal.pages import asking
from portal.pages.listing import chosen, page_of, sought
from portal.words import ROLES, listed
from tenants.access import TenantRequest, tenant_view
from tenants.models import CustomRole, Membership, Role
from tenants.people import members
from tenants.roles import permissions_of

# What each permission lets one do, in the order of tenants.roles.
LETS: dict[str, Promise] = {
    "tenant.see": _("See the tenant, one's own applications, and the receipts of one's own decisions"),
    "members.see": _("See the members and their roles"),
    "members.manage": _("Invite members, change their roles and teams, and remove them"),
    "service_accounts.manage": _("Make service accounts for automation, and end them"),
    "webhooks.manage": _("Have events sent elsewhere, by webhooks"),
    "settings.manage": _("Change the tenant's settings, export its data, and close it"),
    "apis.see_published": _("Read the catalogue"),
    "apis.see_all": _("See APIs, versions and revisions that are not published"),
    "apis.publish": _("Make and change APIs and plans, and publish them"),
    "providers.see": _("See AI providers, the states of their keys, and what models cost"),
    "providers.manage": _("Connect AI providers, handle their keys, and change what models cost"),
    "subscriptions.see_all": _("See everyone's subscriptions"),
    "subscriptions.decide": _("Approve, reject, suspend, resume and cancel subscriptions"),
    "applications.own": _("Register applications, handle their secrets, ask for subscriptions"),
    "applications.see_all": _("See everyone's applications and their refused calls"),
    "applications.suspend": _("Suspend and resume anyone's applications"),
    "applications.revoke_any": _("Revoke anyone's secrets, and delete anyone's applications"),
    "keys.see": _("See the signing keys and the token policy"),
    "keys.manage": _("Rotate signing keys, give them up, and change the token policy"),
    "gateways.see": _("See the gateways, and what they said when they refused"),
    "usage.see": _("See how all APIs are called"),
    "audit.read": _("Read the audit"),
}


@dataclass(frozen=True, slots=True)
class Row:
    membership: Membership
    roles: list[str | Promise]
    own: list[str]


def matching(members: QuerySet[Membership], text: str) -> QuerySet[Membership]:
    return members.filter(Q(user__name__icontains=text) | Q(user__email__icontains=text))


@tenant_view("members.see")
@require_safe
def console_members(request: TenantRequest) -> HttpResponse:
    rows: QuerySet[Membership] = Membership.objects.select_related("user")
    q, role = sought(request), chosen(request, "role", Role.values)
    if q:
        rows = matching(rows, q)
    if role:
        rows = rows.filter(roles__contains=[role])
    page = page_of(request, _with_applications(rows))
    context = {
        "page": page,
        "rows": rows_of(page.rows),
        "q": q,
        "role": role,
        "roles": ROLES,
        "may_see_applications": "applications.see_all" in request.permissions,
        "may_manage": "members.manage" in request.permissions,
    }
    return render(request, "members/list.html", context)


def rows_of(found: list[Membership]) -> list[Row]:
    own = names_of(pk for each in found for pk in each.custom_roles)
    return [Row(each, built_in(each.roles), [own[pk] for pk in each.custom_roles if pk in own]) for each in found]


def built_in(roles: Iterable[str]) -> list[str | Promise]:
    """Their words, in the order of tenants.models.Role."""
    held = set(roles)
    return [word for name, word in ROLES.items() if name in held]


def names_of(custom_roles: Iterable[UUID]) -> dict[UUID, str]:
    """The tenant's own roles by id."""
    ids = set(custom_roles)
    return dict(CustomRole.objects.filter(pk__in=ids).order_by("name").values_list("pk", "name")) if ids else {}


def _with_applications(rows: QuerySet[Membership]) -> QuerySet[Membership]:
    """Annotate how many applications each owns."""
    theirs = Application.objects.standing().filter(owner=OuterRef("user"))
    owned = theirs.order_by().values("owner").annotate(many=Count("pk")).values("many")
    return rows.annotate(applications=Coalesce(Subquery(owned, output_field=IntegerField()), 0))


class RolesField(forms.MultipleChoiceField):
    """Built-in roles and the tenant's own, as boxes. `split` tells them apart again."""

    def __init__(self, **more: Any) -> None:
        said = _("This role is not there any more, or not yours to give.")
        super().__init__(**more, widget=forms.CheckboxSelectMultiple, error_messages={"invalid_choice": said})

    @staticmethod
    def split(values: Iterable[str]) -> dict[str, Any]:
        """As actions take them."""
        found = list(values)
        return {
            "roles": [each for each in found if each in Role.values],
            "custom_roles": [UUID(each) for each in found if each not in Role.values],
        }


def givable(held: frozenset[str]) -> list[tuple[str, str]]:
    """The roles that somebody may give or take, who holds these permissions."""
    found = [(str(role), str(word).capitalize()) for role, word in ROLES.items() if permissions_of([role]) <= held]
    own = CustomRole.objects.order_by("name")
    return found + [(str(each.pk), each.name) for each in own if permissions_of([], each.permissions) <= held]


class RolesForm(PageForm):
    roles = RolesField(label=_("Roles"))

    def __init__(self, *args: Any, choices: list[tuple[str, str]], stays: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["roles"].choices = choices  # type: ignore[attr-defined]
        self.fields["roles"].required = not stays
        self.fields["roles"].error_messages["required"] = gettext("Choose at least one.")


@tenant_view("members.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def roles(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Change a member's roles. Those that are not the reader's to take stay as they are."""
    member: Membership = get_object_or_404(Membership.objects.select_related("user"), pk=pk)
    choices = givable(request.permissions)
    has = [*member.roles, *map(str, member.custom_roles)]
    offered = {value for value, _word in choices}
    stays = [each for each in has if each not in offered]
    question = asking.Question(
        title=gettext("Roles of %(person)s") % {"person": member.user},
        says=gettext("What they let one do counts from the next request on."),
        button=gettext("Change the roles"),
        back=reverse("console-members", args=[request.tenant.slug]),
        done=gettext("The roles of %(person)s are changed.") % {"person": member.user},
        note=_what_stays(stays),
    )
    form = RolesForm(given(request), choices=choices, stays=stays, initial={"roles": [each for each in has if each in offered]})

    def change(data: dict[str, Any]) -> None:
        members.change_roles(member, **RolesField.split([*data["roles"], *stays]), by=request.user)

    return asking.ask(request, question, form, change)


def _what_stays(stays: list[str]) -> asking.Note | None:
    if not stays:
        return None
    found = RolesField.split(stays)
    words = [*map(str, built_in(found["roles"])), *names_of(found["custom_roles"]).values()]
    said = gettext("These stay, for they let one do what you may not yourself: %(roles)s.")
    return asking.Note(said % {"roles": listed(words)})


urlpatterns = [
    path("t/<str:tenant>/console/members/", console_members, name="console-members"),
    path("t/<str:tenant>/console/members/<uuid:pk>/roles/", roles, name="console-member-edit"),
]
