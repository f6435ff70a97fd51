"""The models of a provider, and what a million of their tokens costs."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis.actions import provider_models
from apis.actions.provider_models import FIELDS, PRICES, plain
from apis.ai.catalogue import MOST_CONTEXT, MOST_PRICE, PRICE_DIGITS, catalogue
from apis.models import Provider, ProviderModel
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.providers import MANAGE, ONE, PLAIN, at, priced, provider_of
from tenants.access import TenantRequest, tenant_view


def _price(label: Any, **more: Any) -> forms.DecimalField:
    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
    return forms.DecimalField(
        required=False, min_value=0, max_value=MOST_PRICE, decimal_places=PRICE_DIGITS, label=label, widget=widget, **more
    )


class ModelForm(PageForm):
    name = Text(
        most=120,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("As the provider calls it, such as gpt-4o-mini."),
        widget=forms.TextInput(attrs=PLAIN),
    )
    context = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_CONTEXT, label=gettext_lazy("Context"), help_text=gettext_lazy("In tokens.")
    )
    input = _price(gettext_lazy("Price of input"), help_text=gettext_lazy("Of a million tokens, with a point, such as 0.15."))
    output = _price(gettext_lazy("Price of output"))
    cached = _price(gettext_lazy("Price of cached input"))
    currency = Text(most=3, label=gettext_lazy("Currency"), help_text=gettext_lazy("Three letters, such as USD."))


def _model(provider: str, pk: UUID) -> ProviderModel:
    rows = ProviderModel.objects.select_related("provider")
    found: ProviderModel = get_object_or_404(rows, provider__slug=provider, pk=pk)
    return found


def _told(typed: dict[str, Any]) -> dict[str, Any]:
    return {each: typed[each] for each in FIELDS}


def _form(request: TenantRequest, provider: Provider, form: PageForm, model: ProviderModel | None = None) -> HttpResponse:
    former = [priced(each) for each in model.former_prices.order_by("-since")] if model else []
    context = {"provider": provider, "model": model, "form": form, "back": at(request, provider), "former": former}
    return render(request, "providers/model.html", context, status=form.http_status)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: TenantRequest, provider: str) -> HttpResponse:
    found = provider_of(provider)
    form = ModelForm(given(request), initial={"currency": catalogue().currency})

    def act(typed: dict[str, Any]) -> ProviderModel:
        return provider_models.add(found, given=_told(typed), by=request.user)

    if done := asking.carried_out(request, form, act):
        return asking.finished(request, back=at(request, found), said=_("The model “%(model)s” is added.") % {"model": done.result})
    return _form(request, found, form)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: TenantRequest, provider: str, provider_model: UUID) -> HttpResponse:
    found = _model(provider, provider_model)
    now = {each: getattr(found, each) for each in FIELDS} | {each: plain(getattr(found, each)) for each in PRICES}
    form = ModelForm(given(request), initial=now)

    def act(typed: dict[str, Any]) -> bool:
        return provider_models.change(found, given=_told(typed), by=request.user) is not None

    if done := asking.carried_out(request, form, act):
        said = _("The model is changed.") if done.result else _("Nothing was changed.")
        return asking.finished(request, back=at(request, found.provider), said=said)
    return _form(request, found.provider, form, found)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: TenantRequest, provider: str, provider_model: UUID) -> HttpResponse:
    found = _model(provider, provider_model)
    named = {"model": found}
    question = asking.Question(
        title=_("Remove the model “%(model)s”?") % named,
        says=_("What it cost, and what it cost before, go with it. This can't be undone."),
        button=_("Remove it"),
        back=at(request, found.provider),
        done=_("The model “%(model)s” is removed.") % named,
        danger=True,
    )

    def act(_typed: dict[str, Any]) -> None:
        provider_models.remove(found, by=request.user)

    return asking.ask(request, question, PageForm(given(request)), act)


_MODEL = f"{ONE}models/<uuid:provider_model>/"
urlpatterns = [
    path(f"{ONE}add-model/", new, name="console-provider-model-new"),
    path(f"{_MODEL}edit/", edit, name="console-provider-model-edit"),
    path(f"{_MODEL}remove/", remove, name="console-provider-model-remove"),
]
