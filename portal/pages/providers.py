"""Providers of AI models: connecting one, where it is and what it speaks, its keys and their states, and what its models cost."""

from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions import providers
from apis.actions.provider_keys import MOST_KEY, sentence
from apis.actions.provider_models import plain
from apis.ai.catalogue import FORMATS, MOST_PREFIX, MOST_VALUE, catalogue
from apis.models import Provider, ProviderKey, ProviderModel
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from tenants.access import TenantRequest, tenant_view
from tenants.models import MAX_SLUG

SEE, MANAGE = "providers.see", "providers.manage"
PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
USAGE = "openai_include_usage"
NAMES = {"openai": gettext_lazy("OpenAI's format"), "anthropic": gettext_lazy("Anthropic's format")}


def key_field(**more: Any) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    return forms.CharField(strip=True, max_length=MOST_KEY, label=gettext_lazy("Key"), widget=widget, **more)


class ConnectForm(PageForm):
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), error_messages={"invalid_choice": gettext_lazy("Choose one of these.")})
    url = Text(
        most=800,
        empty=True,
        label=gettext_lazy("Base URL"),
        help_text=gettext_lazy("Empty, it is that of the kind. Azure, LiteLLM and servers of your own need theirs."),
        widget=forms.TextInput(attrs={"inputmode": "url", **PLAIN}),
    )
    key = key_field(required=False, help_text=gettext_lazy("It is sealed, and never shown again. You can add it later, too."))
    name = Text(most=80, empty=True, label=gettext_lazy("Name"), help_text=gettext_lazy("Empty, it is that of the kind."))
    slug = Text(
        most=MAX_SLUG,
        empty=True,
        label=gettext_lazy("Short name"),
        help_text=gettext_lazy(
            "Empty, it is that of the kind. It begins the names of its models, as in openai/gpt-4o-mini, and never changes."
        ),
        widget=forms.TextInput(attrs=PLAIN),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(each.key, _("Another one that speaks OpenAI's format") if each.key == "custom" else each.name) for each in KINDS]
        self.fields["kind"].choices = choices  # type: ignore[attr-defined]

    def says_key_is_gone(self) -> None:
        """A key never comes back in a page, so after an error it has to be typed again."""
        if self.data.get("key") and "key" not in self.errors:
            self.add_error("key", _("Type the key again: it is never shown."))


KINDS = catalogue().kinds


class ChangeForm(PageForm):
    """With each format's prefix, header and value, all empty for one that the provider does not speak."""

    name = Text(most=80, label=gettext_lazy("Name"))
    url = Text(most=800, label=gettext_lazy("Base URL"), widget=forms.TextInput(attrs={"inputmode": "url", **PLAIN}))
    first_byte = forms.IntegerField(
        min_value=1, max_value=300, label=gettext_lazy("Seconds to wait for the beginning of an answer"),
    )  # fmt: skip
    silence = forms.IntegerField(min_value=1, max_value=600, label=gettext_lazy("Seconds to wait between two of its pieces"))

    def __init__(self, *args: Any, provider: Provider, **kwargs: Any) -> None:
        now = {each.format: each for each in provider.speaks}
        told: dict[str, Any] = {"name": provider.name, "url": provider.url}
        told |= {"first_byte": provider.first_byte_ms // 1000, "silence": provider.silence_ms // 1000}
        more: dict[str, forms.Field] = {}
        for each in [*now, *(each for each in FORMATS if each not in now)]:
            spoken = now.get(each)
            told |= {f"{each}_speaks": bool(spoken)}
            told |= {f"{each}_{part}": getattr(spoken, part) if spoken else "" for part in ("prefix", "header", "value")}
            told |= {USAGE: spoken.include_usage if spoken else True} if each == "openai" else {}
            more |= _of_a_format(each)
        super().__init__(*args, more=more, initial=told, **kwargs)

    @property
    def dialects(self) -> list[dict[str, Any]]:
        spoken = [name.removesuffix("_speaks") for name in self.fields if name.endswith("_speaks") and self.cleaned_data[name]]
        parts = ("prefix", "header", "value", "include_usage")
        # Anthropic's format tells its usage unasked.
        told = {each: {part: self.cleaned_data.get(f"{each}_{part}", True) for part in parts} for each in spoken}
        return [{"format": each, **told[each]} for each in spoken]


def _of_a_format(name: str) -> dict[str, forms.Field]:
    what = {"format": NAMES[name]}
    asks = forms.BooleanField(
        required=False,
        label=_("Ask for the usage of streams"),
        help_text=_("Tokens are counted by it. Switch it off where the server refuses what it does not know (stream_options)."),
    )
    return {
        f"{name}_speaks": forms.BooleanField(required=False, label=_("It speaks %(format)s") % what),
        f"{name}_prefix": Text(
            most=MOST_PREFIX, empty=True, label=_("Path of %(format)s") % what, widget=forms.TextInput(attrs=PLAIN),
            help_text=_("It stands behind the base URL, such as /v1."),
        ),
        f"{name}_header": Text(
            most=80, empty=True, label=_("Header of %(format)s") % what, widget=forms.TextInput(attrs=PLAIN),
            help_text=_("The key is sent in it, such as Authorization or x-api-key."),
        ),
        f"{name}_value": Text(
            most=MOST_VALUE, empty=True, label=_("Value of the header of %(format)s") % what, widget=forms.TextInput(attrs=PLAIN),
            help_text=_("With {key} in the place of the key, such as “Bearer {key}”."),
        ),
        **({USAGE: asks} if name == "openai" else {}),
    }  # fmt: skip


# --- looking ---------------------------------------------------------------------------------------------------------


@tenant_view(SEE)
@require_safe
def listed(request: TenantRequest) -> HttpResponse:
    on = Count("keys", filter=Q(keys__state=ProviderKey.State.ON), distinct=True)
    rows = Provider.objects.annotate(all_keys=Count("keys", distinct=True), good_keys=on, all_models=Count("models", distinct=True))
    shown = [{"provider": each, "kind": kind_of(each)} for each in rows.order_by("name", "pk")]
    return render(request, "providers/list.html", {"rows": shown})


@tenant_view(SEE)
@require_safe
def provider(request: TenantRequest, provider: str) -> HttpResponse:
    found = provider_of(provider)
    keys = ProviderKey.objects.filter(provider=found).defer("sealed").order_by("priority", "-weight", "label")
    context = {
        "provider": found,
        "kind": kind_of(found),
        "formats": [{"name": NAMES[each.format], "dialect": each, "at": f"{found.url}{each.prefix}"} for each in found.speaks],
        "seconds": {"first_byte": found.first_byte_ms // 1000, "silence": found.silence_ms // 1000},
        "keys": [{"key": each, "why": sentence(each.state_reason, found, status=each.answered)} for each in keys],
        "models": [priced(each) for each in ProviderModel.objects.filter(provider=found).order_by("name")],
    }
    return render(request, "providers/provider.html", context)


def provider_of(slug: str) -> Provider:
    found: Provider = get_object_or_404(Provider.objects, slug=slug)
    return found


def kind_of(provider: Provider) -> str:
    of = catalogue().kind(provider.kind)
    return of.name if of and of.key != "custom" else str(gettext_lazy("OpenAI-compatible"))


def priced(row: Any) -> dict[str, Any]:
    """A model, or what one cost before, with its prices as readers write numbers."""
    return {"row": row, **{each: price(getattr(row, each)) for each in ("input", "output", "cached")}}


def price(amount: Decimal | None) -> str:
    """“0.15”; "" where it is not known."""
    return "" if amount is None else number_format(Decimal(plain(amount) or 0), use_l10n=True)


def at(request: TenantRequest, provider: Provider) -> str:
    return reverse("console-provider", args=[request.tenant.slug, provider.slug])


# --- changing --------------------------------------------------------------------------------------------------------


@sensitive_post_parameters("key")
@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def connect(request: TenantRequest) -> HttpResponse:
    form = ConnectForm(given(request))

    def act(typed: dict[str, Any]) -> Provider:
        return providers.connect(**{each: typed[each] for each in ("kind", "url", "key", "name", "slug")}, by=request.user)

    if done := asking.carried_out(request, form, act):
        said = _("%(provider)s is connected. Test its key next.") if done.result.keys.exists() else _("%(provider)s is connected.")
        return asking.finished(request, back=at(request, done.result), said=said % {"provider": done.result})
    if request.method == "POST":
        form.says_key_is_gone()
    back = reverse("console-providers", args=[request.tenant.slug])
    return render(request, "providers/connect.html", {"form": form, "back": back}, status=form.http_status)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: TenantRequest, provider: str) -> HttpResponse:
    found = provider_of(provider)
    form = ChangeForm(given(request), provider=found)

    def act(typed: dict[str, Any]) -> bool:
        times = {"first_byte_ms": typed["first_byte"] * 1000, "silence_ms": typed["silence"] * 1000}
        told = {"name": typed["name"], "url": typed["url"], "dialects": form.dialects}
        return providers.change(found, **told, **times, by=request.user) is not None

    if done := asking.carried_out(request, form, act):
        said = _("The provider is changed.") if done.result else _("Nothing was changed.")
        return asking.finished(request, back=at(request, found), said=said)
    return render(request, "providers/edit.html", {"provider": found, "form": form, "back": at(request, found)}, status=form.http_status)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: TenantRequest, provider: str) -> HttpResponse:
    found = provider_of(provider)
    named = {"provider": found}
    question = asking.Question(
        title=_("Remove “%(provider)s”?") % named,
        says=_("Its keys, its models and what they cost go with it. This can't be undone."),
        button=_("Remove it"),
        back=reverse("console-providers", args=[request.tenant.slug]),
        done=_("“%(provider)s” is removed.") % named,
        danger=True,
    )

    def act(_typed: dict[str, Any]) -> None:
        providers.remove(found, by=request.user)

    return asking.ask(request, question, PageForm(given(request)), act)


ONE = "t/<str:tenant>/console/ai-providers/<str:provider>/"
urlpatterns = [
    path("t/<str:tenant>/console/ai-providers/", listed, name="console-providers"),
    path("t/<str:tenant>/console/connect-ai-provider/", connect, name="console-provider-connect"),
    path(ONE, provider, name="console-provider"),
    path(f"{ONE}edit/", edit, name="console-provider-edit"),
    path(f"{ONE}remove/", remove, name="console-provider-remove"),
]
