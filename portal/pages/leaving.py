"""How members go: removed by somebody, or by themselves. What they answer for goes to somebody else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from keys.actions import leaving
from keys.actions.leaving import Left
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.words import listed
from tenants.access import TenantRequest, tenant_view
from tenants.errors import Invalid
from tenants.models import Membership, Team, TeamMember
from tenants.roles import who_may

# So many are proposed, and so many things named.
PROPOSED, NAMED = 100, 5


class Proposing(forms.TextInput):
    """A line to type into, with proposals: what is put in, and what is said of it."""

    template_name = "members/proposing.html"
    proposals: Sequence[tuple[str, str]] = ()

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        found = super().get_context(name, value, {**(attrs or {}), "list": f"{name}_proposals"})
        return {**found, "proposals": self.proposals}


class HeirForm(PageForm):
    applications_to = Text(
        most=254,
        label=gettext_lazy("To whom they go"),
        help_text=gettext_lazy("The e-mail address of a member, or the name of a team."),
        widget=Proposing(attrs={"autocomplete": "off"}),
    )


@dataclass(frozen=True, slots=True)
class Heirs:
    """Whom the reader may choose from."""

    people: QuerySet[Membership]
    teams: QuerySet[Team]

    def named(self, text: str) -> Membership | Team:
        found: Membership | Team | None
        found = self.people.filter(user__email__iexact=text).first() if "@" in text else self.teams.filter(name__iexact=text).first()
        if found is None:
            raise Invalid({"applications_to": [_("There is no such member or team to choose.")]})
        return found

    def proposals(self) -> list[tuple[str, str]]:
        teams = [(each.name, _("Team")) for each in self.teams.order_by("name")[:PROPOSED]]
        return teams + [(each.user.email, each.user.name) for each in self.people.order_by("user__name", "user__email")[:PROPOSED]]


def _heirs(request: TenantRequest, leaver: Membership) -> Heirs:
    """All, for who sees the members; else those whom one knows anyway: one's teams, who is in them, and who manages members."""
    people = Membership.objects.filter(who_may("applications.own"), user__is_active=True).exclude(pk=leaver.pk).select_related("user")
    teams = Team.objects.select_related("lead__user")
    if "members.see" in request.permissions:
        return Heirs(people, teams)
    own = TeamMember.objects.filter(membership=leaver).values("team")
    known = Q(pk__in=TeamMember.objects.filter(team__in=own).values("membership"))
    return Heirs(people.filter(known | who_may("members.manage")), teams.filter(pk__in=own))


@tenant_view("members.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: TenantRequest, pk: UUID) -> HttpResponse:
    member: Membership = get_object_or_404(Membership.objects.select_related("user"), pk=pk)
    left, person = leaving.left_by(member), {"person": member.user}
    says = [_("With their next click or request %(person)s is a stranger here. What they did stays in the audit.") % person]
    question = asking.Question(
        title=_("Remove %(person)s?") % person,
        says=" ".join(says + _what_goes_on(left)),
        button=_("Remove %(person)s") % person,
        back=reverse("console-members", args=[request.tenant.slug]),
        done=_("%(person)s is no member any more.") % person,
        danger=True,
        note=_secrets(left, _("%(person)s may know their secrets: have them rolled.") % person),
    )
    return _ask(request, question, member, left)


@tenant_view("tenant.see")
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: TenantRequest) -> HttpResponse:
    """The same for oneself."""
    member: Membership = get_object_or_404(Membership.objects.select_related("user"), user=request.user)
    left = leaving.left_by(member)
    names = {"tenant": request.tenant}
    question = asking.Question(
        title=_("Leave %(tenant)s?") % names,
        says=" ".join([_("From then on you are a stranger here. What you did stays in the audit."), *_what_goes_on(left)]),
        button=_("Leave %(tenant)s") % names,
        # After it there is nothing here any more.
        back=reverse("tenants-page") if request.method == "POST" else reverse("catalogue", args=[request.tenant.slug]),
        done=_("You have left %(tenant)s.") % names,
        danger=True,
        note=_secrets(left, _("Whoever gets them should roll their secrets, which you know.")),
    )
    return _ask(request, question, member, left)


def _ask(request: TenantRequest, question: asking.Question, member: Membership, left: Left) -> HttpResponse:
    heirs = _heirs(request, member)
    form: PageForm = HeirForm(given(request)) if left.needs_somebody else PageForm(given(request))
    if left.needs_somebody:
        form.fields["applications_to"].widget.proposals = heirs.proposals()

    def go(data: dict[str, Any]) -> None:
        to = heirs.named(data["applications_to"].strip()) if "applications_to" in data else None
        leaving.remove(member, to=to, by=request.user)

    return asking.ask(request, question, form, go)


def _what_goes_on(left: Left) -> list[str]:
    """What they answer for, in sentences."""
    said = []
    if left.applications:
        many = len(left.applications)
        words = ngettext(
            "%(many)s application goes to whom you name, and works on: %(names)s.",
            "%(many)s applications go to whom you name, and work on: %(names)s.",
            many,
        )
        said.append(words % {"many": many, "names": enumerated(left.applications)})
    for team, successor in left.led[:NAMED]:
        if successor:
            said.append(_("%(team)s is led by %(person)s from then on.") % {"team": team, "person": successor.user})
        else:
            said.append(_("%(team)s has nobody else: whom you name leads it from then on.") % {"team": team})
    led = {team.pk for team, _successor in left.led}
    if others := [each for each in left.teams if each.pk not in led]:
        said.append(_("What these teams own stays with them: %(names)s.") % {"names": enumerated(others)})
    return said


def enumerated(things: Sequence[object]) -> str:
    """The first few, and how many more there are."""
    more = len(things) - NAMED
    names = listed(things[:NAMED])
    return _("%(names)s and %(more)s more") % {"names": names, "more": more} if more > 0 else names


def _secrets(left: Left, advice: str) -> asking.Note | None:
    if not left.credentials:
        return None
    said = ngettext(
        "%(many)s credential of these applications works on.", "%(many)s credentials of these applications work on.", left.credentials
    )
    return asking.Note(f"{said % {'many': left.credentials}} {advice}", "wait")


urlpatterns = [
    path("t/<str:tenant>/console/members/<uuid:pk>/remove/", remove, name="console-member-remove"),
    path("t/<str:tenant>/leave/", leave, name="member-leave"),
]
