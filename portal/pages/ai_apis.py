"""Publishing an AI API in one form, and what it offers afterwards: models, and rails for what callers send."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.core.validators import RegexValidator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis.actions import ai_apis, ai_models, plan_models
from apis.ai.checking import MASKS
from apis.ai.offer import BODY_KIB, Offer, Pattern, Rails
from apis.models import LIVE_LARGE, Api, ApiVersion, Plan, Revision
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.plans import TermsForm, number, of_ai
from portal.pages.providers import PLAIN
from tenants.access import TenantRequest, tenant_view
from tenants.models import SLUG, Team, TenantSettings

MASK_NAMES = {
    "email": gettext_lazy("E-mail addresses"),
    "phone": gettext_lazy("Phone numbers"),
    "card": gettext_lazy("Numbers of payment cards"),
}
VISIBLE = [
    (Api.Visibility.PUBLIC, gettext_lazy("Everybody who sees the catalogue")),
    (Api.Visibility.TENANT, gettext_lazy("Members alone")),
    (Api.Visibility.TEAMS, gettext_lazy("Members of some teams, and whoever may publish")),
]


def models_field(names: Iterable[str], **more: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        choices=[(each, each) for each in names],
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Models"),
        error_messages={"invalid_choice": gettext_lazy("There is no model %(value)s here.")},
        **more,
    )


class PublishForm(TermsForm):
    """The API, its models, and its first plan."""

    name = Text(most=80, label=gettext_lazy("Name"), help_text=gettext_lazy("As developers read it in the catalogue."))
    slug = Text(
        most=40,
        label=gettext_lazy("Slug"),
        help_text=gettext_lazy("A part of the address, such as models. It never changes."),
        validators=[RegexValidator(SLUG.regex, gettext_lazy("Use lower-case letters, digits and single hyphens."))],
        widget=forms.TextInput(attrs=PLAIN),
    )
    description = Text(
        most=5000, lines=4, empty=True, label=gettext_lazy("Description"), help_text=gettext_lazy("What it is good for, in Markdown.")
    )
    visibility = forms.ChoiceField(
        choices=VISIBLE, initial=Api.Visibility.PUBLIC, widget=forms.RadioSelect, label=gettext_lazy("Who sees it")
    )
    teams = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Teams that see it"),
        help_text=gettext_lazy("Where it is for some teams alone."),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these teams.")},
    )
    plan = Text(
        most=40,
        label=gettext_lazy("Name of the plan"),
        help_text=gettext_lazy("Lower-case letters, digits and hyphens, such as free or gold. It can't be changed later."),
        validators=[RegexValidator(SLUG.regex, gettext_lazy("Use lower-case letters, digits and single hyphens."))],
    )

    def __init__(self, *args: Any, names: Iterable[str], teams: Mapping[str, Team], **kwargs: Any) -> None:
        tokens = {name: field for name, field in of_ai(()).items() if name in plan_models.TOKENS}
        said = _("Callers ask for them by these names. An alias stands for models, and can be changed without its callers.")
        super().__init__(*args, more={"models": models_field(names, help_text=said), **tokens}, **kwargs)
        self.fields["teams"].choices = [(pk, each.name) for pk, each in teams.items()]  # type: ignore[attr-defined]
        if not teams:
            self.fields["teams"].help_text = _("There is no team yet.")
        if not self.is_bound:
            by_people = TenantSettings.objects.values_list("approval_by_people", flat=True).get()
            self.initial.setdefault("approval", Plan.Approval.MANUAL if by_people else Plan.Approval.AUTOMATIC)

    @property
    def terms(self) -> dict[str, Any]:
        told = super().terms
        # What the API offers is no restriction of its first plan.
        told.pop("models", None)
        return {"name": self.cleaned_data["plan"], **told}


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def publish(request: TenantRequest) -> HttpResponse:
    """From what providers have to an API that is open, in one form. `?provider=` chooses the models of one."""
    found = ai_models.askable()
    provider = request.GET.get("provider", "")
    chosen = [each.name for each in found if provider and each.name.startswith(f"{provider}/")]
    teams = {str(each.pk): each for each in Team.objects.visible_to(request.user, request.permissions).order_by("name")}
    form = PublishForm(
        given(request),
        teams=teams,
        names=[each.name for each in found],
        initial={"name": _("AI models"), "slug": "models", "plan": "standard", "models": chosen},
    )

    def act(typed: dict[str, Any]) -> Any:
        told = {name: typed[name] for name in ("name", "slug", "description", "visibility")}
        seen_by = [teams[pk] for pk in typed["teams"]]
        return ai_apis.publish(**told, teams=seen_by, offer=Offer(tuple(typed["models"])), terms=[form.terms], by=request.user)

    if done := asking.carried_out(request, form, act):
        api, event = done.result
        back = reverse("console-api", args=[request.tenant.slug, api.slug])
        return asking.finished(request, back=back, said=_("%(api)s is published.") % {"api": api}, event=event)
    back = (
        reverse("console-provider", args=[request.tenant.slug, provider]) if chosen else reverse("console-apis", args=[request.tenant.slug])
    )
    return render(request, "ai/publish.html", {"form": form, "back": back, "none": not found}, status=form.http_status)


def version_of(slug: str) -> ApiVersion:
    """
    :raises Http404: it is no AI API.
    """
    rows = ApiVersion.objects.select_related("api", "live_revision").defer(*LIVE_LARGE)
    found: ApiVersion | None = rows.filter(api__slug=slug, api__kind=Api.Kind.AI).order_by("id").first()
    if found is None:
        raise Http404
    return found


def newest(version: ApiVersion) -> Revision:
    found = ai_apis.newest_of(version)
    if found is None:
        raise Http404
    return found


def changed(request: TenantRequest, version: ApiVersion, revision: Revision) -> HttpResponse:
    """What was changed waits in a revision, whose page says what it changes and makes it live."""
    back = reverse("console-api-revision", args=[request.tenant.slug, version.api.slug, version.name, revision.number])
    said = _("Revision %(number)s has it. Make it live when callers may get it.")
    return asking.finished(request, back=back, said=said % {"number": revision.number})


def elsewhere(request: TenantRequest, api: Api) -> HttpResponse:
    """For pages that make no sense of an AI API: where that is done instead."""
    said = _("%(api)s is an AI API: its document is written from its models and prompts. Change those, and there is a new revision.")
    messages.info(request, said % {"api": api})
    return redirect("console-api-models", request.tenant.slug, api.slug)


class ModelsForm(PageForm):
    note = Text(
        most=500, empty=True, label=gettext_lazy("Note"),
        help_text=gettext_lazy("What is new in it, for callers: it stands in the change log once it is live."),
    )  # fmt: skip
    # What was newest when the form was shown.
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)

    field_order = ["models", "note"]

    def __init__(self, *args: Any, names: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, more={"models": models_field(names)}, **kwargs)
        self.order_fields(self.field_order)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def models(request: TenantRequest, api: str) -> HttpResponse:
    """What callers may ask for."""
    version = version_of(api)
    now = newest(version)
    offer = ai_apis.offered(now)
    names = [each.name for each in ai_models.askable()]
    form = ModelsForm(given(request), names=names, initial={"models": list(offer.models), "seen": now.number})

    def act(typed: dict[str, Any]) -> Revision:
        wanted = Offer(tuple(typed["models"]), offer.prompts, offer.rails)
        return ai_apis.offer(version, wanted, note=typed["note"], instead_of=typed["seen"], by=request.user)

    if done := asking.carried_out(request, form, act):
        return changed(request, version, done.result)
    context = {"form": form, "api": version.api, "title": _("Models of %(api)s") % {"api": version.api}, "here": _("Models")}
    return render(request, "apis/change.html", context, status=form.http_status)


class RailsForm(PageForm):
    masks = forms.MultipleChoiceField(
        choices=[(each, MASK_NAMES[each]) for each in MASKS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Mask in what callers send"),
        help_text=gettext_lazy("Each is replaced before the provider reads it, as by [email]. Answers are left as they are."),
    )
    patterns = Text(
        most=4_000,
        lines=4,
        empty=True,
        label=gettext_lazy("Mask by patterns, too"),
        help_text=gettext_lazy(
            "One per line, with a name: customer: K-\\d{6} is replaced by [customer]. There are \\d \\w \\s . [a-z] ? * + {2,4} and |, "
            "and \\b at both ends; no groups."
        ),
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono", **PLAIN}),
    )
    blocked = Text(
        most=10_000,
        lines=4,
        empty=True,
        label=gettext_lazy("Refuse calls with these words"),
        help_text=gettext_lazy("One word, or several that belong together, per line; in lower or upper case."),
    )
    body_kib = number(*BODY_KIB, label=gettext_lazy("Largest body, in KiB"))
    note = Text(
        most=500, empty=True, label=gettext_lazy("Note"),
        help_text=gettext_lazy("What is new in it, for callers: it stands in the change log once it is live."),
    )  # fmt: skip
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def clean_patterns(self) -> tuple[Pattern, ...]:
        found = []
        for at, line in enumerate(self.cleaned_data["patterns"].split("\n"), 1):
            if not line.strip():
                continue
            name, colon, regex = line.partition(":")
            if not colon or not regex.strip():
                raise forms.ValidationError(_("Line %(line)s: write a name, a colon, and the pattern.") % {"line": at})
            found.append(Pattern(name.strip(), regex.strip()))
        return tuple(found)

    @property
    def rails(self) -> Rails:
        typed = self.cleaned_data
        words = tuple(line.strip() for line in typed["blocked"].split("\n") if line.strip())
        return Rails(tuple(typed["masks"]), typed["patterns"], words, typed["body_kib"])


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def rails(request: TenantRequest, api: str) -> HttpResponse:
    """What is masked and refused in what callers send."""
    version = version_of(api)
    now = newest(version)
    offer = ai_apis.offered(now)
    initial = {
        "masks": list(offer.rails.masks),
        "patterns": "\n".join(f"{each.name}: {each.regex}" for each in offer.rails.patterns),
        "blocked": "\n".join(offer.rails.blocked),
        "body_kib": offer.rails.body_kib,
        "seen": now.number,
    }
    form = RailsForm(given(request), initial=initial)

    def act(typed: dict[str, Any]) -> Revision:
        wanted = Offer(offer.models, offer.prompts, form.rails)
        return ai_apis.offer(version, wanted, note=typed["note"], instead_of=typed["seen"], by=request.user)

    if done := asking.carried_out(request, form, act):
        return changed(request, version, done.result)
    context = {"form": form, "api": version.api, "title": _("Rails of %(api)s") % {"api": version.api}, "here": _("Rails")}
    return render(request, "apis/change.html", context, status=form.http_status)


_PLACE = "t/<str:tenant>/console/apis/<str:api>/"
urlpatterns = [
    path("t/<str:tenant>/console/publish-ai-api/", publish, name="console-api-ai-new"),
    path(f"{_PLACE}models/", models, name="console-api-models"),
    path(f"{_PLACE}rails/", rails, name="console-api-rails"),
]
