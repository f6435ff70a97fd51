"""Service accounts: automation's way to REST. A secret stands in the answer to the POST that made it, and nowhere after that."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from keys.actions import service_accounts
from keys.actions.service_accounts import GRACES, MOST_DAYS, MOST_NAME, USUAL_DAYS
from keys.models import Application
from portal import words
from portal.forms import OptionalReasonForm, PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.leaving import enumerated
from portal.pages.listing import chosen, page_of, sought
from portal.pages.members import LETS
from portal.pages.plans import number
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event, ServiceAccount
from tenants.roles import EVERYONES, PERMISSIONS

Status = ServiceAccount.Status


@dataclass(frozen=True, slots=True)
class Row:
    """`state` is the status as it is now: the job that says that it ended may come a little later."""

    account: ServiceAccount
    state: str
    lets: list[Promise]


def matching(accounts: QuerySet[ServiceAccount], text: str) -> QuerySet[ServiceAccount]:
    return accounts.filter(
        Q(name__icontains=text) | Q(description__icontains=text) | Q(created_by__name__icontains=text) | Q(last_four=text)
    )


@tenant_view("service_accounts.manage")
@require_safe
def services(request: TenantRequest) -> HttpResponse:
    q, show = sought(request), chosen(request, "show", ["all"])
    rows: QuerySet[ServiceAccount] = ServiceAccount.objects.all() if show else ServiceAccount.objects.working()
    if q:
        rows = matching(rows, q)
    rows = rows.select_related("created_by")
    page = page_of(request, rows)
    return render(request, "services/list.html", {"page": page, "rows": [_row(each) for each in page.rows], "q": q, "show": show})


@tenant_view("service_accounts.manage")
@require_safe
def service(request: TenantRequest, pk: UUID) -> HttpResponse:
    row = _row(_account(pk))
    until = row.account.former_until
    context = {
        "row": row,
        "former_until": until if until and until > timezone.now() and row.state == Status.ACTIVE else None,
    }
    return render(request, "services/service.html", context)


def _row(account: ServiceAccount) -> Row:
    over = account.status == Status.ACTIVE and account.expires_at <= timezone.now()
    lets = [LETS[each] for each in PERMISSIONS if each in account.permissions]
    return Row(account, Status.EXPIRED if over else account.status, lets)


def _account(pk: UUID) -> ServiceAccount:
    found: ServiceAccount = get_object_or_404(ServiceAccount.objects.select_related("created_by"), pk=pk)
    return found


class ServiceForm(PageForm):
    """What an account may be given: what who makes it holds."""

    description = Text(most=200, empty=True, label=gettext_lazy("Description"), help_text=gettext_lazy("What runs with it, and where."))
    permissions = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("What it may do"),
        help_text=gettext_lazy("It may always see the tenant and read the catalogue. You can give what you may yourself."),
        error_messages={"invalid_choice": gettext_lazy("Choose among these.")},
    )

    def __init__(self, data: QueryDict | None, *, held: frozenset[str], also: frozenset[str] = frozenset(), **initial: Any) -> None:
        super().__init__(data, initial=initial)
        offered = [name for name in PERMISSIONS if name in (held | also) - EVERYONES]
        self.fields["permissions"].choices = [(name, LETS[name]) for name in offered]  # type: ignore[attr-defined]


class NewForm(ServiceForm):
    name = Text(most=MOST_NAME, label=gettext_lazy("Name"), help_text=gettext_lazy("The audit names it so, such as “Terraform”."))
    days = number(1, MOST_DAYS, initial=USUAL_DAYS, label=gettext_lazy("It ends after, in days"))
    field_order = ("name", "description", "permissions", "days")


class EditForm(ServiceForm):
    days = number(
        1,
        MOST_DAYS,
        required=False,
        label=gettext_lazy("It ends after, in days from now"),
        help_text=gettext_lazy("Left empty, its end stays as it is."),
    )
    field_order = ("description", "permissions", "days")


class RollForm(PageForm):
    grace = forms.ChoiceField(
        widget=forms.RadioSelect,
        initial="24h",
        label=gettext_lazy("How long does the old secret work on?"),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these.")},
    )

    def __init__(self, account: ServiceAccount, data: QueryDict | None) -> None:
        super().__init__(data)
        self.fields["grace"].choices = [(name, _what_grace_does(account, name)) for name in GRACES]  # type: ignore[attr-defined]


def _what_grace_does(account: ServiceAccount, grace: str) -> str:
    if grace == "0":
        return _("Not at all: it ends at once")
    until = min(timezone.now() + GRACES[grace], account.expires_at)
    name = {"1h": _("An hour"), "24h": _("A day")}[grace]
    return _("%(grace)s: until %(time)s, then it ends") % {"grace": name, "time": words.day_and_time(until)}


@tenant_view("service_accounts.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: TenantRequest) -> HttpResponse:
    form = NewForm(given(request), held=request.permissions)
    back = reverse("console-services", args=[request.tenant.slug])

    def make(typed: dict[str, Any]) -> tuple[ServiceAccount, str]:
        told = {name: typed[name] for name in ("name", "description", "permissions", "days")}
        return service_accounts.create(**told, by=request.user)

    return _made_once(request, form, make, template="services/new.html", context={"back": back})


@tenant_view("service_accounts.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def roll(request: TenantRequest, pk: UUID) -> HttpResponse:
    account = _account(pk)
    back = reverse("console-service", args=[request.tenant.slug, pk])
    if request.method != "POST" and _row(account).state != Status.ACTIVE:
        messages.info(request, _("This service account has ended. Make another one."))
        return redirect(back)
    form = RollForm(account, given(request))

    def make(typed: dict[str, Any]) -> tuple[ServiceAccount, str]:
        return account, service_accounts.roll(account, grace=typed["grace"], by=request.user)

    context = {"account": account, "back": back, "takes_over": account.created_by != request.user}
    return _made_once(request, form, make, template="services/roll.html", context=context)


def _made_once(
    request: TenantRequest,
    form: PageForm,
    make: Callable[[dict[str, Any]], tuple[ServiceAccount, str]],
    *,
    template: str,
    context: dict[str, Any],
) -> HttpResponse:
    """The form; its POST is answered with the secret, once. Sent again, or reloaded, it makes nothing and says so."""
    if done := asking.carried_out(request, form, make):
        return _shown(request, *done.result)
    page = "services/shown_before.html" if form.sent_before else template
    return render(request, page, {**context, "form": form}, status=form.http_status)


def _shown(request: TenantRequest, account: ServiceAccount, secret: str) -> HttpResponse:
    address = f"{settings.PORTAL_URL}/api/v1/tenants/{request.tenant.slug}/apis/"
    sample = f'KEY={shlex.quote(secret)}\ncurl --fail-with-body -H "Authorization: Bearer $KEY" {shlex.quote(address)}'
    back = reverse("console-service", args=[request.tenant.slug, account.pk])
    answer = render(request, "services/made.html", {"account": account, "secret": secret, "sample": sample, "back": back})
    answer["Cache-Control"] = "private, no-store"
    return answer


@tenant_view("service_accounts.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: TenantRequest, pk: UUID) -> HttpResponse:
    account = _account(pk)
    back = reverse("console-service", args=[request.tenant.slug, pk])
    if request.method != "POST" and _row(account).state != Status.ACTIVE:
        messages.info(request, _("This service account has ended. Make another one."))
        return redirect(back)
    held = frozenset(account.permissions)
    form = EditForm(given(request), held=request.permissions, also=held, description=account.description, permissions=account.permissions)

    def change(typed: dict[str, Any]) -> Event | None:
        told = {name: typed[name] for name in ("description", "permissions", "days")}
        return service_accounts.change(account, **told, by=request.user)

    if done := asking.carried_out(request, form, change):
        said = _("%(account)s is changed.") if done.result else _("Nothing was changed: %(account)s is as it was.")
        return asking.finished(request, back=back, said=said % {"account": account})
    return render(request, "services/edit.html", {"account": account, "form": form, "back": back}, status=form.http_status)


@tenant_view("service_accounts.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: TenantRequest, pk: UUID) -> HttpResponse:
    account = _account(pk)
    named = {"account": account}
    question = asking.Question(
        title=_("Revoke %(account)s?") % named,
        says=_("Whatever runs with it is refused from its next request on. This can't be undone; you can make another account."),
        button=_("Revoke it"),
        back=reverse("console-service", args=[request.tenant.slug, pk]),
        done=_("%(account)s is revoked.") % named,
        danger=True,
        note=_what_it_registered(account),
    )

    def act(data: dict[str, Any]) -> None:
        service_accounts.revoke(account, reason=data["reason"], by=request.user)

    return asking.ask(request, question, OptionalReasonForm(given(request)), act)


def _what_it_registered(account: ServiceAccount) -> asking.Note | None:
    found = list(Application.objects.standing().filter(owner=account.user, team=None).order_by("name"))
    if not found:
        return None
    said = ngettext(
        "%(many)s application that it registered works on: %(names)s. Give it to somebody, so that its secrets can be rolled.",
        "%(many)s applications that it registered work on: %(names)s. Give them to somebody, so that their secrets can be rolled.",
        len(found),
    )
    return asking.Note(said % {"many": len(found), "names": enumerated(found)}, "wait")


urlpatterns = [
    path("t/<str:tenant>/console/service-accounts/", services, name="console-services"),
    path("t/<str:tenant>/console/service-accounts/new/", new, name="console-service-new"),
    path("t/<str:tenant>/console/service-accounts/<uuid:pk>/", service, name="console-service"),
    path("t/<str:tenant>/console/service-accounts/<uuid:pk>/edit/", edit, name="console-service-edit"),
    path("t/<str:tenant>/console/service-accounts/<uuid:pk>/roll/", roll, name="console-service-roll"),
    path("t/<str:tenant>/console/service-accounts/<uuid:pk>/revoke/", revoke, name="console-service-revoke"),
]
