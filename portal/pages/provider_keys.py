"""The keys of a provider of AI models. None is ever shown; a test says whether the provider takes it."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apis.actions import provider_keys
from apis.models import Provider, ProviderKey
from apis.models.provider import PRIORITIES, WEIGHTS
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.providers import MANAGE, ONE, at, key_field, provider_of
from tenants.access import TenantRequest, inside, own_scope, tenant_view
from tenants.errors import NotAllowed


class PlaceForm(PageForm):
    label = Text(most=80, label=gettext_lazy("Label"), help_text=gettext_lazy("Such as “Team account” or “Reserve”."))
    priority = forms.IntegerField(
        min_value=PRIORITIES[0],
        max_value=PRIORITIES[1],
        initial=1,
        label=gettext_lazy("Priority"),
        help_text=gettext_lazy("Keys with the lowest number get the calls; the others, when none of these works."),
    )
    weight = forms.IntegerField(
        min_value=WEIGHTS[0],
        max_value=WEIGHTS[1],
        initial=1,
        label=gettext_lazy("Weight"),
        help_text=gettext_lazy("Keys of one priority share the calls by it."),
    )


class KeyForm(PlaceForm):
    key = key_field(help_text=gettext_lazy("It is sealed, and never shown again."))
    field_order = ["label", "key", "priority", "weight"]


def _key(provider: str, pk: UUID) -> ProviderKey:
    rows = ProviderKey.objects.select_related("provider")
    found: ProviderKey = get_object_or_404(rows, provider__slug=provider, pk=pk)
    return found


def _placed(typed: dict[str, Any]) -> dict[str, Any]:
    return {each: typed[each] for each in ("label", "priority", "weight")}


def _form(request: TenantRequest, provider: Provider, form: PageForm, key: ProviderKey | None = None) -> HttpResponse:
    context = {"provider": provider, "key": key, "form": form, "back": at(request, provider)}
    return render(request, "providers/key.html", context, status=form.http_status)


@sensitive_post_parameters("key")
@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: TenantRequest, provider: str) -> HttpResponse:
    found = provider_of(provider)
    form = KeyForm(given(request))

    def act(typed: dict[str, Any]) -> ProviderKey:
        return provider_keys.add(found, key=typed["key"], **_placed(typed), by=request.user)

    if done := asking.carried_out(request, form, act):
        said = _("The key “%(key)s” is added. Test it next.") % {"key": done.result}
        return asking.finished(request, back=at(request, found), said=said)
    if form.data.get("key") and "key" not in form.errors:
        form.add_error("key", _("Type the key again: it is never shown."))
    return _form(request, found, form)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: TenantRequest, provider: str, provider_key: UUID) -> HttpResponse:
    found = _key(provider, provider_key)
    form = PlaceForm(given(request), initial={"label": found.label, "priority": found.priority, "weight": found.weight})

    def act(typed: dict[str, Any]) -> bool:
        return provider_keys.change(found, **_placed(typed), by=request.user) is not None

    if done := asking.carried_out(request, form, act):
        said = _("The key is changed.") if done.result else _("Nothing was changed.")
        return asking.finished(request, back=at(request, found.provider), said=said)
    return _form(request, found.provider, form, found)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def switch_on(request: TenantRequest, provider: str, provider_key: UUID) -> HttpResponse:
    found = _key(provider, provider_key)
    named = {"key": found, "provider": found.provider}
    question = asking.Question(
        title=_("Switch the key “%(key)s” on?") % named,
        says=_("%(provider)s is called with it again, by its priority and weight.") % named,
        button=_("Switch it on"),
        back=at(request, found.provider),
        done=_("The key “%(key)s” is on.") % named,
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _typed: _switch(request, found, on=True))


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def switch_off(request: TenantRequest, provider: str, provider_key: UUID) -> HttpResponse:
    found = _key(provider, provider_key)
    named = {"key": found, "provider": found.provider}
    question = asking.Question(
        title=_("Switch the key “%(key)s” off?") % named,
        says=_("%(provider)s is not called with it until it is switched on again. It can still be tested.") % named,
        button=_("Switch it off"),
        back=at(request, found.provider),
        done=_("The key “%(key)s” is off.") % named,
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _typed: _switch(request, found, on=False))


def _switch(request: TenantRequest, key: ProviderKey, *, on: bool) -> None:
    provider_keys.change(key, on=on, by=request.user)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: TenantRequest, provider: str, provider_key: UUID) -> HttpResponse:
    found = _key(provider, provider_key)
    named = {"key": found, "provider": found.provider}
    question = asking.Question(
        title=_("Remove the key “%(key)s”?") % named,
        says=_("Portico forgets it. At %(provider)s it stays valid until you revoke it there.") % named,
        button=_("Remove it"),
        back=at(request, found.provider),
        done=_("The key “%(key)s” is removed.") % named,
        danger=True,
    )

    def act(_typed: dict[str, Any]) -> None:
        provider_keys.remove(found, by=request.user)

    return asking.ask(request, question, PageForm(given(request)), act)


@tenant_view(MANAGE)
@own_scope
@require_http_methods(["GET", "HEAD", "POST"])
def test(request: TenantRequest, provider: str, provider_key: UUID) -> HttpResponse:
    """Ask, then ask the provider, outside any transaction: it may take seconds."""
    with inside(request, MANAGE):
        found = _key(provider, provider_key)
    back, form = at(request, found.provider), PageForm(given(request))
    status = 200
    if request.method == "POST":
        try:
            tested = provider_keys.try_out(request.tenant.pk, found.pk, by=request.user)
        except NotAllowed as refusal:
            form.is_valid()
            form.refuse(refusal)
            status = 409
        else:
            with inside(request, MANAGE):
                return asking.finished(request, back=back, said=tested.sentence)
    with inside(request, MANAGE):
        question = asking.Question(
            title=_("Test the key “%(key)s”?") % {"key": found},
            says=_("Portico asks %(host)s for its models with it, for five seconds at most.") % {"host": found.provider.netloc},
            button=_("Test it"),
            back=back,
            done="",
        )
        return asking.asked(request, question, form, status=status)


_KEY = f"{ONE}keys/<uuid:provider_key>/"
urlpatterns = [
    path(f"{ONE}add-key/", new, name="console-provider-key-new"),
    path(f"{_KEY}edit/", edit, name="console-provider-key-edit"),
    path(f"{_KEY}on/", switch_on, name="console-provider-key-on"),
    path(f"{_KEY}off/", switch_off, name="console-provider-key-off"),
    path(f"{_KEY}remove/", remove, name="console-provider-key-remove"),
    path(f"{_KEY}test/", test, name="console-provider-key-test"),
]
