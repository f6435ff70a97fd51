"""A person's own applications: register one, look at it, end its subscriptions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit
from uuid import UUID

from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import Resolver404, path, resolve
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions import questions, subscriptions, versions
from apis.models import ApiVersion, Subscription
from gateway.models import GatewayNode, serving
from keys.actions import applications
from keys.models import Application, Credential, owned_by
from portal import words
from portal.forms import OptionalReasonForm, PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.application_tabs import by_state, chosen_tab, page_address
from portal.pages.listing import page_of, sought
from tenants.access import TenantRequest, tenant_view
from tenants.models import Team

CREDENTIALS = {"active": gettext_lazy("%(many)s active"), "expiring": gettext_lazy("%(many)s in grace")}
SUBSCRIPTIONS = {
    "active": gettext_lazy("%(many)s active"),
    "pending": gettext_lazy("%(many)s pending"),
    "suspended": gettext_lazy("%(many)s suspended"),
}
# Of the choice whose an application is: nobody's but the person's.
MINE = "mine"
ENVIRONMENTS = [("live", pgettext_lazy("environment", "Live")), ("test", gettext_lazy("Test"))]


@dataclass(frozen=True, slots=True)
class Row:
    """An application of a list; what it has by state, as badges."""

    application: Application
    credentials: list[tuple[str, str]]
    subscriptions: list[tuple[str, str]]


def rows_of(applications: list[Application]) -> list[Row]:
    credentials = by_state(Credential.objects.filter(application__in=applications), CREDENTIALS)
    held = by_state(Subscription.objects.filter(application__in=applications), SUBSCRIPTIONS)
    return [Row(each, credentials.get(each.pk, []), held.get(each.pk, [])) for each in applications]


def matching(applications: QuerySet[Application], text: str) -> QuerySet[Application]:
    """Those whose name, purpose or client id has this text in it."""
    return (
        applications.filter(Q(name__icontains=text) | Q(purpose__icontains=text) | Q(client_id__icontains=text)) if text else applications
    )


def own(request: TenantRequest) -> QuerySet[Application]:
    return Application.objects.owned_by(request.user).select_related("owner", "team")


@tenant_view("applications.own")
@require_safe
def apps(request: TenantRequest) -> HttpResponse:
    """My applications."""
    q = sought(request)
    page = page_of(request, matching(own(request), q))
    return render(request, "applications/list.html", {"page": page, "rows": rows_of(page.rows), "q": q})


class DescribedForm(PageForm):
    """What can be changed of an application at any time."""

    name = Text(most=80, label=gettext_lazy("Name"), help_text=gettext_lazy("Approvers know it by this name."))
    purpose = Text(most=500, lines=3, label=gettext_lazy("Purpose"), help_text=gettext_lazy("What it does, in a sentence or two."))
    contact = Text(
        most=254,
        empty=True,
        label=gettext_lazy("Contact"),
        help_text=gettext_lazy("Whom to ask about it: an e-mail address, or an address that begins with https://."),
    )


class ApplicationForm(DescribedForm):
    environment = forms.ChoiceField(
        choices=ENVIRONMENTS,
        initial="live",
        widget=forms.RadioSelect,
        label=gettext_lazy("Environment"),
        help_text=gettext_lazy(
            "Tells approvers whether people depend on it, and stays as it is. Both reach the same APIs; limits are those of the plan."
        ),
        error_messages={"invalid_choice": gettext_lazy("Choose Live or Test.")},
    )
    team = forms.ChoiceField(
        widget=forms.RadioSelect,
        label=gettext_lazy("Whose it is"),
        help_text=gettext_lazy("Everyone in a team sees its applications, and makes and revokes their secrets."),
        error_messages={"invalid_choice": gettext_lazy("Choose yourself, or a team that you are in.")},
    )
    next = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, teams: Mapping[str, Team], **kwargs: Any) -> None:
        """:param teams: the person's own, by id; without any there is nothing to choose."""
        super().__init__(*args, **kwargs)
        if not teams:
            del self.fields["team"]
            return
        choices = [(MINE, _("Mine")), *((pk, team.name) for pk, team in teams.items())]
        self.fields["team"].choices = choices  # type: ignore[attr-defined]
        self.fields["team"].initial = MINE


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def app_new(request: TenantRequest) -> HttpResponse:
    """Register an application; `?next=` leads on afterwards."""
    teams = {str(each.pk): each for each in Team.objects.of(request.user).select_related("lead__user").order_by("name")}
    form = ApplicationForm(given(request), teams=teams, initial={"next": request.GET.get("next", "")})

    def register(typed: dict[str, Any]) -> Application:
        told = {name: typed[name] for name in ("name", "purpose", "contact", "environment")}
        return applications.register_application(**told, team=teams.get(typed.get("team", MINE)), by=request.user)

    if done := asking.carried_out(request, form, register):
        made = done.result
        if made.status == Application.Status.PENDING:
            said = _("%(application)s is registered, and waits for an approver.")
            return asking.finished(request, back=page_address(request, made), said=said % {"application": made})
        back = _onward(request, form.cleaned_data["next"], made) or page_address(request, made)
        return asking.finished(request, back=back, said=_("%(application)s is registered.") % {"application": made})
    return render(request, "applications/new.html", {"form": form}, status=form.http_status)


def _onward(request: TenantRequest, address: str, made: Application) -> str:
    """Where a `next` leads, with the new application chosen there; "" where that is no page of this tenant."""
    parts = urlsplit(address) if url_has_allowed_host_and_scheme(address, allowed_hosts=None) else urlsplit("")
    # Browsers take dots, also written as %2e, and backslashes for steps on the way.
    if not parts.path or "\\" in parts.path or {".", ".."} & set(unquote(parts.path).split("/")):
        return ""
    try:
        leads_to = resolve(parts.path)
    except Resolver404:
        return ""
    if leads_to.kwargs.get("tenant") != request.tenant.slug or leads_to.url_name == "app-new":
        return ""
    query = {**dict(parse_qsl(parts.query)), "application": str(made.pk)}
    return f"{parts.path}?{urlencode(query)}"


@tenant_view("applications.own")
@require_safe
def app(request: TenantRequest, pk: UUID) -> HttpResponse:
    """One's own application, all of it; what was deleted to be read."""
    rows = Application.objects.filter(owned_by(request.user)).select_related("owner", "team", "suspended_by")
    application = get_object_or_404(rows, pk=pk)
    return render(request, "applications/application.html", chosen_tab(request, application))


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Ask, then end a subscription of one's own application for good."""
    rows = Subscription.objects.owned_by(request.user).for_list()
    subscription = get_object_or_404(rows, pk=pk)
    names = {"application": subscription.application, "api": subscription.api}
    question = asking.Question(
        title=_("Cancel the subscription to %(api)s?") % names,
        says=_what_cancelling_does(subscription, names),
        button=_("Cancel the subscription"),
        back=page_address(request, subscription.application, "subscriptions"),
        done=_("%(application)s's subscription to %(api)s is cancelled.") % names,
        danger=True,
    )
    form = OptionalReasonForm(given(request))
    return asking.ask(request, question, form, lambda data: subscriptions.cancel(subscription, reason=data["reason"], by=request.user))


class AnswerForm(PageForm):
    text = Text(most=1_000, lines=4, label=gettext_lazy("Answer"), help_text=gettext_lazy("Approvers read it."))


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def answer(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Answer an approver's question about a request of one's own application."""
    subscription = get_object_or_404(Subscription.objects.owned_by(request.user).for_list(), pk=pk)
    names = {"application": subscription.application, "api": subscription.api}
    asked = [each for each in questions.said_about([pk])[pk] if each.kind == questions.ASKED]
    question = asking.Question(
        title=_("Answer about the request for %(api)s") % names,
        says=_("%(who)s asks: %(question)s") % {"who": asked[-1].actor_name, "question": asked[-1].data["text"]}
        if asked
        else _("Say more about why %(application)s needs %(api)s.") % names,
        button=_("Send the answer"),
        back=page_address(request, subscription.application, "subscriptions"),
        done=_("The approvers of %(api)s have your answer.") % names,
    )
    form = AnswerForm(given(request))
    return asking.ask(request, question, form, lambda data: questions.answer(subscription, text=data["text"], by=request.user))


def _what_cancelling_does(subscription: Subscription, names: dict[str, Any]) -> str:
    match subscription.status:
        case Subscription.Status.PENDING:
            return _("The request is withdrawn; nobody has to decide it. %(application)s may ask for %(api)s again.") % names
        case Subscription.Status.SUSPENDED:
            return _("Its calls stay refused. If %(application)s asks for %(api)s again, an approver decides.") % names
        case Subscription.Status.ACTIVE:
            many = GatewayNode.objects.connected().filter(serving()).count()
            said = ngettext(
                "%(application)s's calls to %(api)s are refused on %(many)s gateway within a second.",
                "%(application)s's calls to %(api)s are refused on %(many)s gateways within a second.",
                many,
            )
            if not many:
                said = _(
                    "%(application)s's calls to %(api)s are refused; no gateway is connected now, and each learns it when it connects."
                )
            return f"{said % {**names, 'many': many}} {_('To call it again, ask for a new subscription.')}"
    return _("This subscription has ended already.")


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def acknowledge(request: TenantRequest, pk: UUID, api: str, version: str) -> HttpResponse:
    """Say for an application of one's own that its people know that a version goes."""
    application = get_object_or_404(own(request), pk=pk)
    held = Subscription.objects.filter(application=application).values("api")
    rows = ApiVersion.objects.offered().select_related("api", "successor").filter(api__in=held)
    found = get_object_or_404(rows, api__slug=api, name=version)
    names = {"application": application, "version": found}
    question = asking.Question(
        title=_("Acknowledge that %(version)s goes?") % names,
        says=_what_is_known(found),
        button=_("I know"),
        back=page_address(request, application, "subscriptions"),
        done=_("Its publisher sees that %(application)s's people know.") % names,
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _data: versions.acknowledge(found, application, by=request.user))


def _what_is_known(version: ApiVersion) -> str:
    said = [_("Its publisher asks whether you know, and may retire it once everybody does.")]
    if version.sunset_at:
        said.append(_("It answers until %(when)s.") % {"when": words.day_and_time(version.sunset_at)})
    if version.successor:
        said.append(_("Move the application to %(successor)s before.") % {"successor": version.successor.name})
    return " ".join(said)


urlpatterns = [
    path("t/<str:tenant>/apps/", apps, name="apps"),
    path("t/<str:tenant>/apps/new/", app_new, name="app-new"),
    path("t/<str:tenant>/apps/<uuid:pk>/", app, name="app"),
    path("t/<str:tenant>/apps/<uuid:pk>/acknowledge/<str:api>/<str:version>/", acknowledge, name="app-acknowledge"),
    path("t/<str:tenant>/apps/subscriptions/<uuid:pk>/answer/", answer, name="app-subscription-answer"),
    path("t/<str:tenant>/apps/subscriptions/<uuid:pk>/cancel/", cancel, name="app-subscription-cancel"),
]
