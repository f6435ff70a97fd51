"""The gateways, for operators: who they are, how they do, and how one joins, rests and goes. Shared tables alone."""

import shlex
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from gateway import fleet, nodes
from gateway.envoy import versions
from gateway.models import GatewayGroup, GatewayNode, JoinToken
from gateway.nodes import LEAST_MINUTES, MOST_MINUTES, USUAL_MINUTES
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages.asking import Note, Question, ask, carried_out
from portal.pages.listing import chosen, page_of, sought
from portal.pages.plans import number
from tenants.access import operator_view
from tenants.models import User

# Of the tenants whose configurations it refused, so many are named.
REFUSALS_SHOWN = 20


@operator_view
@require_safe
def gateways(request: HttpRequest) -> HttpResponse:
    """Every gateway: how it does, what it has, and what it has not yet."""
    waiting = JoinToken.objects.waiting().order_by("name")
    context = {
        "rows": fleet.standings(fleet.nodes().order_by("name")),
        "waiting": waiting,
        "supported": versions.supported(),
    }
    return render(request, "fleet/list.html", context)


@operator_view
@require_safe
def gateway(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One gateway, and the tenants that it has loaded."""
    node, q, show = _node(pk), sought(request), chosen(request, "show", ["behind"])
    loaded = fleet.tenants_of(node)
    if q:
        loaded = loaded.filter(Q(slug__icontains=q) | Q(name__icontains=q))
    if show:
        loaded = loaded.filter(pk__in=fleet.behind(node))
    context = {
        "row": fleet.standings([node])[0],
        "page": page_of(request, loaded),
        "refused": fleet.refused_by(node, most=REFUSALS_SHOWN),
        "waiting": JoinToken.objects.waiting().filter(name=node.name).first(),
        "supported": versions.supported(),
        "grace": round(settings.GATEWAY_DRAIN_GRACE),
        "q": q,
        "show": show,
    }
    return render(request, "fleet/gateway.html", context)


def _node(pk: UUID) -> GatewayNode:
    return get_object_or_404(fleet.nodes(), pk=pk)


def _ask(request: HttpRequest, question: Question, node: GatewayNode, act: Callable[..., None]) -> HttpResponse:
    def done(_data: dict[str, Any]) -> None:
        # An event of the platform's has no receipt that could be shown.
        act(node, by=_operator(request))

    return ask(request, question, PageForm(given(request)), done)


def _operator(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _page_of(node: GatewayNode) -> str:
    return reverse("platform-gateway", args=[node.pk])


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def drain(request: HttpRequest, pk: UUID) -> HttpResponse:
    node = _node(pk)
    named = {"gateway": node, "seconds": round(settings.GATEWAY_DRAIN_GRACE)}
    question = Question(
        title=_("Drain %(gateway)s?") % named,
        says=_(
            "Load balancers are told at once. After %(seconds)s seconds it takes no more connections; calls under way end as they would."
        )
        % named,
        button=_("Drain it"),
        back=_page_of(node),
        done=_("%(gateway)s drains.") % named,
        note=_others(node),
    )
    return _ask(request, question, node, nodes.drain)


def _others(node: GatewayNode) -> Note:
    """Who takes the calls meanwhile."""
    many = GatewayNode.objects.serving().filter(draining_at=None).exclude(pk=node.pk).count()
    if not many:
        return Note(_("No other gateway takes calls now: callers will reach nobody."), "bad")
    return Note(ngettext("%(many)s other gateway takes calls.", "%(many)s other gateways take calls.", many) % {"many": many})


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def undrain(request: HttpRequest, pk: UUID) -> HttpResponse:
    node = _node(pk)
    question = Question(
        title=_("Let %(gateway)s take calls again?") % {"gateway": node},
        says=_("It listens again at once, and load balancers find it ready."),
        button=_("Let it take calls"),
        back=_page_of(node),
        done=_("%(gateway)s takes calls again.") % {"gateway": node},
    )
    return _ask(request, question, node, nodes.undrain)


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, pk: UUID) -> HttpResponse:
    node = _node(pk)
    question = Question(
        title=_("Revoke %(gateway)s?") % {"gateway": node},
        says=_("Its credentials end, and its connection with them. It may join again with a new join token."),
        button=_("Revoke it"),
        back=_page_of(node),
        done=_("%(gateway)s is revoked.") % {"gateway": node},
        danger=True,
        note=Note(_("Stop its Envoy as well: until then it goes on with what it has, and hears of no decision any more."), "wait"),
    )
    return _ask(request, question, node, nodes.revoke)


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def forget(request: HttpRequest, pk: UUID) -> HttpResponse:
    node = _node(pk)
    question = Question(
        title=_("Take %(gateway)s off the list?") % {"gateway": node},
        says=_("For a gateway that is gone for good. What it acknowledged stays in the receipts; under its name another may join."),
        button=_("Take it off the list"),
        back=reverse("platform-gateways"),
        done=_("%(gateway)s is off the list.") % {"gateway": node},
        danger=True,
    )
    return _ask(request, question, node, nodes.forget)


# Join tokens


@operator_view
@require_safe
def join_tokens(request: HttpRequest) -> HttpResponse:
    """Every join token, and what became of it."""
    q = sought(request)
    rows = fleet.join_tokens()
    if q:
        rows = rows.filter(name__icontains=q)
    page = page_of(request, rows)
    told = [(each, nodes.state_of(each, now=each.now)) for each in page.rows]  # type: ignore[attr-defined]
    return render(request, "fleet/tokens.html", {"page": page, "rows": told, "q": q})


class JoinTokenForm(PageForm):
    name = Text(
        most=80,
        label=gettext_lazy("Name of the gateway"),
        help_text=gettext_lazy(
            "Such as eu-west-1. With the name of a gateway that exists, the machine takes its place, and its credentials end."
        ),
    )
    address = Text(
        most=200,
        empty=True,
        label=gettext_lazy("Address"),
        help_text=gettext_lazy(
            "Where Portico calls it to check that it refuses calls without a token, such as http://10.0.0.7:8080. "
            "Leave it empty for no check."
        ),
    )
    minutes = number(
        LEAST_MINUTES,
        MOST_MINUTES,
        initial=USUAL_MINUTES,
        label=gettext_lazy("Valid for, in minutes"),
        help_text=gettext_lazy("From 5 to 10080, which is seven days."),
    )
    groups = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Groups"),
        help_text=gettext_lazy("Where the gateway is put when it joins. With none it is in the default group, or where it was before."),
        error_messages={"invalid_choice": gettext_lazy("Choose from these groups.")},
    )
    field_order = ("name", "address", "groups", "minutes")

    def __init__(self, *args: Any, known: Iterable[GatewayGroup], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["groups"].choices = [(str(each.pk), each.told) for each in known]  # type: ignore[attr-defined]


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def new_join_token(request: HttpRequest) -> HttpResponse:
    """The form; its POST is answered with the token, once. Sent again, or reloaded, it makes nothing and says so."""
    known = fleet.nodes().filter(name=request.GET.get("name", "").replace("\x00", "")).first()
    initial = {"name": known.name, "address": known.address} if known else {}
    form = JoinTokenForm(given(request), known=GatewayGroup.objects.all(), initial=initial)

    def make(typed: dict[str, Any]) -> tuple[JoinToken, str]:
        told = {name: typed[name] for name in ("name", "address", "minutes")}
        return nodes.issue_join_token(**told, groups=[UUID(each) for each in typed["groups"]], by=_operator(request))

    if done := carried_out(request, form, make):
        return _shown(request, *done.result)
    page = "fleet/shown_before.html" if form.sent_before else "fleet/token_new.html"
    back = _page_of(known) if known else reverse("platform-gateways")
    return render(request, page, {"form": form, "back": back}, status=form.http_status)


def _shown(request: HttpRequest, token: JoinToken, secret: str) -> HttpResponse:
    file = "/var/lib/envoy/credential.json"
    sample = (
        "umask 077\n"
        f"printf %s {shlex.quote(secret)} > join-token\n"
        f"python -m gateway.joining {shlex.quote(settings.PORTAL_URL)} --join-token-file join-token --credential-file {file}\n"
        "rm join-token"
    )
    context = {"token": token, "secret": secret, "sample": sample, "back": reverse("platform-gateways")}
    answer = render(request, "fleet/token_made.html", context)
    answer["Cache-Control"] = "private, no-store"
    return answer


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def revoke_join_token(request: HttpRequest, pk: UUID) -> HttpResponse:
    token = get_object_or_404(JoinToken, pk=pk)
    question = Question(
        title=_("Revoke the join token for %(gateway)s?") % {"gateway": token},
        says=_("No machine can join with it any more. You can issue another one."),
        button=_("Revoke it"),
        back=reverse("platform-gateway-join-tokens"),
        done=_("The join token for %(gateway)s is revoked.") % {"gateway": token},
        danger=True,
    )

    def act(_data: dict[str, Any]) -> None:
        nodes.revoke_join_token(token, by=_operator(request))

    return ask(request, question, PageForm(given(request)), act)


urlpatterns = [
    path("platform/gateways/", gateways, name="platform-gateways"),
    path("platform/gateways/join-tokens/", join_tokens, name="platform-gateway-join-tokens"),
    path("platform/gateways/join-tokens/new/", new_join_token, name="platform-gateway-join-token-new"),
    path("platform/gateways/join-tokens/<uuid:pk>/revoke/", revoke_join_token, name="platform-gateway-join-token-revoke"),
    path("platform/gateways/<uuid:pk>/", gateway, name="platform-gateway"),
    path("platform/gateways/<uuid:pk>/drain/", drain, name="platform-gateway-drain"),
    path("platform/gateways/<uuid:pk>/undrain/", undrain, name="platform-gateway-undrain"),
    path("platform/gateways/<uuid:pk>/revoke/", revoke, name="platform-gateway-revoke"),
    path("platform/gateways/<uuid:pk>/forget/", forget, name="platform-gateway-forget"),
]
