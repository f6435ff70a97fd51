"""By which identity provider people sign in to the tenant: naming it, trying it, and who is linked."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from keys import oidc
from keys.actions.identities import unlink
from keys.actions.identity_providers import FIELDS, MAX_SECRET, change_provider, remove_provider
from keys.models import Identity, IdentityProvider
from portal import provided
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.listing import page_of, sought
from portal.words import ROLES
from tenants.access import TenantRequest, inside, own_scope, tenant_view
from tenants.models import Role
from tenants.roles import permissions_of

# As the form sends it; "" would be a field that was left out.
NOBODY = ("nobody", gettext_lazy("Nobody: they need an invitation first"))


class ProviderForm(PageForm):
    """`cleaned_data` holds what `change_provider` takes."""

    issuer = Text(
        most=oidc.MAX_URL,
        label=gettext_lazy("Issuer"),
        help_text=gettext_lazy("As the provider spells it, such as https://login.example.com/realms/acme."),
    )
    client_id = Text(most=190, label=gettext_lazy("Client id"), help_text=gettext_lazy("The provider's name for Portico."))
    client_secret = forms.CharField(
        strip=True,
        required=False,
        max_length=MAX_SECRET,
        label=gettext_lazy("Client secret"),
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    joins_as = forms.ChoiceField(
        label=gettext_lazy("Who joins, of those who are no members yet"),
        help_text=gettext_lazy("Whoever the provider signs in with a confirmed address gets this role."),
    )
    enabled = forms.BooleanField(
        required=False,
        label=gettext_lazy("People sign in by it"),
        help_text=gettext_lazy("Switched off, the sessions that it began end at once. Passwords work on either way."),
    )

    def __init__(self, *args: Any, held: frozenset[str], new: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["issuer"].widget.attrs |= {"inputmode": "url", "autocapitalize": "none", "spellcheck": "false"}
        self.fields["client_secret"].required = new
        self.fields["client_secret"].help_text = (
            _("It is sealed, and never shown again.") if new else _("Empty, it stays as it is. Another issuer needs its own.")
        )
        now = self.initial.get("joins_as")
        self.initial["joins_as"] = now or NOBODY[0]
        own = [(name, word) for name, word in ROLES.items() if name == now or permissions_of([name]) <= held]
        self.fields["joins_as"].choices = [NOBODY, *(each for each in own if each[0] != Role.ADMIN)]  # type: ignore[attr-defined]

    def clean_joins_as(self) -> str:
        chosen: str = self.cleaned_data["joins_as"]
        return "" if chosen == NOBODY[0] else chosen


@sensitive_post_parameters("client_secret")
@tenant_view("settings.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def provider(request: TenantRequest) -> HttpResponse:
    found = IdentityProvider.objects.first()
    initial = {name: getattr(found, name) for name in FIELDS} if found else {"enabled": True}
    form = ProviderForm(given(request), initial=initial, held=request.permissions, new=found is None)
    if done := asking.carried_out(request, form, lambda typed: change_provider(_given(typed), by=request.user)):
        said = _("The identity provider is saved. Test it next.") if done.result else _("Nothing was changed: all of it was so already.")
        return asking.finished(request, back=_here(request), said=said)
    context = {
        "form": form,
        "found": found,
        "linked": Identity.objects.count() if found else 0,
        "sign_in_url": provided.sign_in_url(request.tenant),
        "callback_url": provided.callback_url(request.tenant),
    }
    return render(request, "settings/sign_in.html", context, status=form.http_status)


def _given(typed: dict[str, Any]) -> dict[str, Any]:
    return {name: typed[name] for name in (*FIELDS, "client_secret")}


def _here(request: TenantRequest) -> str:
    return reverse("console-settings-sign-in", args=[request.tenant.slug])


@tenant_view("settings.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: TenantRequest) -> HttpResponse:
    found = IdentityProvider.objects.first()
    if found is None:
        return redirect(_here(request))
    question = asking.Question(
        title=_("Remove %(provider)s?") % {"provider": found},
        says=_("Nobody signs in by it any more, its sessions end at once, and its links with members are undone. Passwords work on."),
        note=asking.Note(
            _("Whoever never chose a password gets one by “Forgot your password?”, if the mails of their address reach them."), "wait"
        ),
        button=_("Remove the provider"),
        back=_here(request),
        done=_("The identity provider is removed."),
        danger=True,
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _data: remove_provider(by=request.user))


@tenant_view("settings.manage")
@own_scope
@require_http_methods(["GET", "HEAD", "POST"])
def test(request: TenantRequest) -> HttpResponse:
    """What the provider's own documents say. Asked outside any transaction: it may take seconds."""
    with inside(request, "settings.manage"):
        found = IdentityProvider.objects.first()
    if found is None or request.method != "POST":
        return redirect(_here(request))
    said: dict[str, Any] = {}
    try:
        with oidc.one_of_few(request.tenant.pk):
            document = oidc.discover(found.issuer)
            said = {"document": document, "keys": len(oidc.keys_of(document))}
    except oidc.ProviderRefused as refusal:
        said = {"why": str(refusal)}
    with inside(request, "settings.manage"):
        return render(
            request, "settings/sign_in_test.html", {"found": found, **said, "callback_url": provided.callback_url(request.tenant)}
        )


@tenant_view("settings.manage")
@require_safe
def linked(request: TenantRequest) -> HttpResponse:
    """Who is who at the provider; `?q=` seeks by name or address."""
    rows, q = Identity.objects.select_related("user"), sought(request)
    if q:
        rows = rows.filter(user__name__icontains=q) | rows.filter(user__email__icontains=q)
    return render(request, "settings/sign_in_linked.html", {"page": page_of(request, rows.order_by("-pk")), "q": q})


@tenant_view("settings.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def undo_link(request: TenantRequest, pk: UUID) -> HttpResponse:
    found: Identity = get_object_or_404(Identity.objects.select_related("user"), pk=pk)
    question = asking.Question(
        title=_("Undo the link of %(person)s?") % {"person": found.user},
        says=_("Their sessions by the provider end at once. At their next sign-in there they are recognised by their address again."),
        button=_("Undo the link"),
        back=reverse("console-settings-sign-in-linked", args=[request.tenant.slug]),
        done=_("The link of %(person)s is undone.") % {"person": found.user},
        danger=True,
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _data: unlink(found, by=request.user))


_BASE = "t/<str:tenant>/console/settings/sign-in/"
urlpatterns = [
    path(_BASE, provider, name="console-settings-sign-in"),
    path(f"{_BASE}remove/", remove, name="console-settings-sign-in-remove"),
    path(f"{_BASE}test/", test, name="console-settings-sign-in-test"),
    path(f"{_BASE}linked/", linked, name="console-settings-sign-in-linked"),
    path(f"{_BASE}linked/<uuid:pk>/undo/", undo_link, name="console-settings-sign-in-undo"),
]
