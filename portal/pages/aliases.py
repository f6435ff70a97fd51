"""Aliases: names that callers ask for in place of a model, and who answers, in order."""

from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions import ai_models, aliases
from apis.actions.aliases import MOST_NAME, MOST_TARGETS, named
from apis.models import ModelAlias, ProviderModel
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.providers import MANAGE, PLAIN, SEE
from tenants.access import TenantRequest, tenant_view


class TargetsForm(PageForm):
    targets = Text(
        most=200 * MOST_TARGETS,
        lines=4,
        label=gettext_lazy("Models that answer"),
        help_text=gettext_lazy(
            "One per line, such as openai/gpt-5. The first answers; where it can't, the next does. One of each provider."
        ),
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono", **PLAIN}),
    )

    def clean_targets(self) -> list[dict[str, str]]:
        found = []
        for at, line in enumerate(self.cleaned_data["targets"].split("\n"), 1):
            if not line.strip():
                continue
            provider, slash, model = line.strip().partition("/")
            if not slash or not model:
                raise forms.ValidationError(_("Line %(line)s: write the provider, a slash, and the model.") % {"line": at})
            found.append({"provider": provider, "model": model})
        return found


class AliasForm(TargetsForm):
    name = Text(
        most=MOST_NAME,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("What callers ask for, such as fast or best. It never changes."),
        widget=forms.TextInput(attrs=PLAIN),
    )
    field_order = ["name", "targets"]


@tenant_view(SEE)
@require_safe
def listed(request: TenantRequest) -> HttpResponse:
    rows = [{"alias": each, "targets": named(each.targets)} for each in ModelAlias.objects.order_by("name")]
    return render(request, "ai/aliases.html", {"rows": rows, "models": ProviderModel.objects.exists()})


def _alias(name: str) -> ModelAlias:
    found: ModelAlias = get_object_or_404(ModelAlias.objects, name=name)
    return found


def _form(request: TenantRequest, form: PageForm, *, title: str, here: str) -> HttpResponse:
    names = [each.name for each in ai_models.askable() if not each.alias]
    back = reverse("console-provider-aliases", args=[request.tenant.slug])
    context = {"form": form, "title": title, "here": here, "back": back, "names": names}
    return render(request, "ai/alias.html", context, status=form.http_status)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: TenantRequest) -> HttpResponse:
    form = AliasForm(given(request))

    def act(typed: dict[str, Any]) -> ModelAlias:
        return aliases.create(name=typed["name"], targets=typed["targets"], by=request.user)

    if done := asking.carried_out(request, form, act):
        back = reverse("console-provider-aliases", args=[request.tenant.slug])
        return asking.finished(request, back=back, said=_("The alias “%(alias)s” is made.") % {"alias": done.result})
    return _form(request, form, title=_("New alias"), here=_("New alias"))


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: TenantRequest, alias: str) -> HttpResponse:
    found = _alias(alias)
    form = TargetsForm(given(request), initial={"targets": "\n".join(named(found.targets))})

    def act(typed: dict[str, Any]) -> Any:
        return aliases.change(found, targets=typed["targets"], by=request.user)

    if done := asking.carried_out(request, form, act):
        said = _("The alias “%(alias)s” is changed.") % {"alias": found} if done.result else _("Nothing was changed.")
        back = reverse("console-provider-aliases", args=[request.tenant.slug])
        return asking.finished(request, back=back, said=said, event=done.result)
    return _form(request, form, title=_("Who answers for “%(alias)s”") % {"alias": found}, here=found.name)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: TenantRequest, alias: str) -> HttpResponse:
    found = _alias(alias)
    names = {"alias": found}
    used = ai_models.uses(found.name)
    question = asking.Question(
        title=_("Delete the alias “%(alias)s”?") % names,
        says=_("Nobody can ask for it any more."),
        button=_("Delete it"),
        back=reverse("console-provider-aliases", args=[request.tenant.slug]),
        done=_("The alias “%(alias)s” is deleted.") % names,
        danger=True,
        lists=[asking.Listed(_("It is in use, and has to be taken out there first:"), used)] if used else (),
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _typed: aliases.delete(found, by=request.user))


_ALIAS = "t/<str:tenant>/console/ai-aliases/<str:alias>/"
urlpatterns = [
    path("t/<str:tenant>/console/ai-aliases/", listed, name="console-provider-aliases"),
    path("t/<str:tenant>/console/new-ai-alias/", new, name="console-provider-alias-new"),
    path(f"{_ALIAS}edit/", edit, name="console-provider-alias-edit"),
    path(f"{_ALIAS}delete/", delete, name="console-provider-alias-delete"),
]
