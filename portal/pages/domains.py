"""A tenant's own host names at the gateway: the list, one of them with its proof and its certificate, and what is done to it."""

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from apis import certificates, client_certificates
from gateway import domains
from gateway.models import Domain
from keys import tokens
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.upstreams import Untold
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event

MANAGE = "settings.manage"
_PLAIN = {"autocomplete": "off", "spellcheck": "false"}


class DomainForm(PageForm):
    name = Text(
        most=domains.MOST,
        label=gettext_lazy("Domain"),
        help_text=gettext_lazy("Such as api.example.com. Its address in DNS has to lead to the gateways."),
        widget=forms.TextInput(attrs={"inputmode": "url", **_PLAIN}),
    )


class CertificateForm(PageForm):
    certificate = Text(
        most=certificates.MOST_CHARACTERS,
        label=gettext_lazy("Certificate"),
        help_text=gettext_lazy("In PEM: the domain's own, then each that has signed the one before it."),
        widget=forms.Textarea(attrs={"class": "mono", "rows": 8, **_PLAIN}),
    )
    key = Text(
        most=client_certificates.MOST_KEY_CHARACTERS,
        label=gettext_lazy("Private key"),
        help_text=gettext_lazy("In PEM, without a passphrase. It is kept encrypted and never shown again."),
        widget=Untold(attrs={"class": "mono", "rows": 5, **_PLAIN}),
    )


@tenant_view(MANAGE)
@require_safe
def listed(request: TenantRequest) -> HttpResponse:
    return render(request, "domains/list.html", {"rows": list(Domain.objects.order_by("name"))})


@tenant_view(MANAGE)
@require_safe
def domain(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = _domain(pk)
    context = {
        "domain": found,
        "served": certificates.shown(found.certificate),
        "address": tokens.own_audience(found.name, settings.GATEWAY_TLS_PUBLIC_PORT),
        "free_at": found.missing_since + domains.PATIENCE if found.missing_since else None,
    }
    return render(request, "domains/domain.html", context)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: TenantRequest) -> HttpResponse:
    form = DomainForm(given(request))
    back = reverse("console-settings-domains", args=[request.tenant.slug])

    def act(typed: dict[str, Any]) -> Domain:
        return domains.add(name=typed["name"], by=request.user)

    if done := asking.carried_out(request, form, act):
        said = _("The domain is added. Now prove that it is yours.")
        return asking.finished(request, back=_at(request, done.result), said=said)
    return render(request, "domains/new.html", {"form": form, "back": back}, status=form.http_status)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("key")
def certificate(request: TenantRequest, pk: UUID) -> HttpResponse:
    """A form of its own page: a private key goes through no dialog and no script."""
    found = _domain(pk)
    form = CertificateForm(given(request))

    def act(typed: dict[str, Any]) -> Event:
        return domains.put_certificate(found, certificate=typed["certificate"], key=typed["key"], by=request.user)

    if done := asking.carried_out(request, form, act):
        return asking.finished(request, back=_at(request, found), said=_("The certificate is served from now on."), event=done.result)
    context = {"domain": found, "form": form, "back": _at(request, found)}
    return render(request, "domains/certificate.html", context, status=form.http_status)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def check(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = _domain(pk)
    question = asking.Question(
        title=_("Look for the proof of %(domain)s now?") % {"domain": found},
        says=_("Portico asks DNS within seconds. It does so by itself as well, at first each minute and later each day."),
        button=_("Look now"),
        back=_at(request, found),
        done=_("Portico asks DNS. Load this page again in a moment."),
    )

    def act(_typed: dict[str, Any]) -> None:
        domains.look_again(found)

    return asking.ask(request, question, PageForm(given(request)), act)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = _domain(pk)
    question = asking.Question(
        title=_("Remove %(domain)s?") % {"domain": found},
        says=_("Gateways answer under it no more, its private key is forgotten, and whoever proves the domain next can have it."),
        button=_("Remove it"),
        back=reverse("console-settings-domains", args=[request.tenant.slug]),
        done=_("%(domain)s is removed.") % {"domain": found},
        danger=True,
    )

    def act(_typed: dict[str, Any]) -> Event:
        return domains.remove(found, by=request.user)

    return asking.ask(request, question, PageForm(given(request)), act)


def _domain(pk: UUID) -> Domain:
    found: Domain = get_object_or_404(Domain.objects, pk=pk)
    return found


def _at(request: TenantRequest, domain: Domain) -> str:
    return reverse("console-settings-domain", args=[request.tenant.slug, domain.pk])


_HERE = "t/<str:tenant>/console/settings/domains/"
_ONE = f"{_HERE}<uuid:pk>/"
urlpatterns = [
    path(_HERE, listed, name="console-settings-domains"),
    path(f"{_HERE}new/", new, name="console-settings-domain-new"),
    path(_ONE, domain, name="console-settings-domain"),
    path(f"{_ONE}certificate/", certificate, name="console-settings-domain-certificate"),
    path(f"{_ONE}check/", check, name="console-settings-domain-check"),
    path(f"{_ONE}remove/", remove, name="console-settings-domain-remove"),
]
