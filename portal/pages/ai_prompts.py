"""Prompts of an AI API: templates that callers send variables for, each an operation of its own."""

import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions import ai_apis
from apis.ai import checking
from apis.ai.checking import MOST_MESSAGES, MOST_NAME, MOST_TITLE
from apis.ai.offer import Message, Offer, Prompt, Variable
from apis.models import ApiVersion, Revision
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.ai_apis import changed, newest, version_of
from portal.pages.apis import address_of
from portal.pages.providers import PLAIN
from tenants.access import TenantRequest, tenant_view

ROLES = [
    ("system", gettext_lazy("What the model should be")),
    ("user", gettext_lazy("What it is asked")),
    ("assistant", gettext_lazy("What it answers")),
]
# So many messages beyond those that there are.
BLANK = 1
# Of the parameters those that most people set; others are set over REST, and stay.
ASKED = ("temperature", "max_tokens")


class PromptForm(PageForm):
    name = Text(
        most=MOST_NAME,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("A part of the address, such as sum-up."),
        widget=forms.TextInput(attrs=PLAIN),
    )
    title = Text(
        most=MOST_TITLE, label=gettext_lazy("What it does"), help_text=gettext_lazy("As developers read it, such as Sum a text up.")
    )
    variables = Text(
        most=4_000,
        lines=4,
        empty=True,
        label=gettext_lazy("Variables"),
        help_text=gettext_lazy(
            "One per line, such as text, or words: integer = 50, or tone = friendly | friendly, formal. There are string, integer, number "
            "and boolean; what stands behind = need not be sent; and what one can choose from stands behind |."
        ),
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono", **PLAIN}),
    )
    temperature = forms.FloatField(
        required=False,
        label=gettext_lazy("Temperature"),
        help_text=gettext_lazy("How free the model is, from 0 to 2. Empty: as it is by itself."),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    max_tokens = forms.IntegerField(
        required=False,
        label=gettext_lazy("Tokens of an answer"),
        help_text=gettext_lazy("Empty: as many as the model gives."),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, models: Sequence[str], prompt: Prompt | None = None, **kwargs: Any) -> None:
        self.prompt = prompt
        messages = prompt.messages if prompt else (Message("system", ""), Message("user", ""))
        self.rows = range(min(len(messages) + BLANK, MOST_MESSAGES))
        more: dict[str, forms.Field] = {
            "model": forms.ChoiceField(
                choices=[(each, each) for each in models],
                label=_("Model"),
                error_messages={"invalid_choice": _("There is no model %(value)s here.")},
            )
        }
        told: dict[str, Any] = kwargs.pop("initial", {}) | (_told(prompt) if prompt else {})
        for at in self.rows:
            message = messages[at] if at < len(messages) else None
            number = {"number": at + 1}
            more[f"role_{at}"] = forms.ChoiceField(choices=ROLES, required=False, label=_("Message %(number)s") % number)
            more[f"text_{at}"] = Text(
                most=checking.MOST_TEXT,
                lines=3,
                empty=True,
                label=_("Text of message %(number)s") % number,
                help_text=_("With {{text}} where the variable text goes.") if at == 0 else "",
            )
            told |= {f"role_{at}": message.role if message else "user", f"text_{at}": message.text if message else ""}
        super().__init__(*args, more=more, initial=told, **kwargs)
        texts = [name for at in self.rows for name in (f"role_{at}", f"text_{at}")]
        self.order_fields(["name", "title", "model", *texts, "variables", *ASKED])

    def clean_variables(self) -> tuple[Variable, ...]:
        lines = enumerate(self.cleaned_data["variables"].split("\n"), 1)
        return tuple(_variable(line.strip(), at) for at, line in lines if line.strip())

    @property
    def wanted(self) -> Prompt:
        typed = self.cleaned_data
        said = tuple(Message(typed[f"role_{at}"] or "user", typed[f"text_{at}"]) for at in self.rows if typed[f"text_{at}"].strip())
        kept = {name: value for name, value in (self.prompt.parameters if self.prompt else {}).items() if name not in ASKED}
        given_ones = {name: typed[name] for name in ASKED if typed[name] is not None}
        return Prompt(typed["name"], typed["title"], typed["model"], typed["variables"], said, {**kept, **given_ones})


def _told(prompt: Prompt) -> dict[str, Any]:
    return {
        "name": prompt.name,
        "title": prompt.title,
        "model": prompt.model,
        "variables": "\n".join(map(_line, prompt.variables)),
        **{name: prompt.parameters.get(name) for name in ASKED},
    }


def _line(variable: Variable) -> str:
    kind = "" if variable.kind == "string" else f": {variable.kind}"
    default = "" if variable.default is None else f" = {_written(variable.default)}"
    return f"{variable.name}{kind}{default}" + (f" | {', '.join(variable.choices)}" if variable.choices else "")


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _variable(line: str, at: int) -> Variable:
    """`name: kind = default | choice, choice`.

    :raises ValidationError: a default that is none of its kind.
    """
    line, _bar, choices = line.partition("|")
    line, equals, default = line.partition("=")
    name, _colon, kind = line.partition(":")
    kind = kind.strip() or "string"
    value: Any = None
    if equals:
        value = default.strip()
        if kind != "string":
            try:
                value = json.loads(value)
            except ValueError:
                said = _("Line %(line)s: “%(text)s” is none of the kind %(kind)s.")
                raise forms.ValidationError(said % {"line": at, "text": value[:40], "kind": kind[:20]}) from None
            if isinstance(value, dict | list) or value is None:
                raise forms.ValidationError(_("Line %(line)s: a value is a text, a number, true or false.") % {"line": at})
    found = tuple(each.strip() for each in choices.split(",") if each.strip())
    return Variable(name.strip(), kind, not equals, value, found)


@tenant_view("apis.see_all")
@require_safe
def listed(request: TenantRequest, api: str) -> HttpResponse:
    version = version_of(api)
    now = newest(version)
    context = {
        "api": version.api,
        "version": version,
        "revision": now,
        "is_live": version.live_revision_id == now.pk,
        "prompts": sorted(ai_apis.offered(now).prompts, key=lambda each: each.name),
        "may_publish": "apis.publish" in request.permissions,
    }
    return render(request, "ai/prompts.html", context)


def _prompt(offer: Offer, name: str) -> Prompt:
    found = next((each for each in offer.prompts if each.name == name), None)
    if found is None:
        raise Http404
    return found


class PreviewForm(PageForm):
    """A value for each variable, as a caller would send it."""

    def __init__(self, *args: Any, prompt: Prompt, **kwargs: Any) -> None:
        more: dict[str, forms.Field] = {}
        for each in prompt.variables:
            shown = _written(each.default) if each.default is not None else each.choices[0] if each.choices else ""
            more[f"v_{each.name}"] = forms.CharField(required=False, max_length=20_000, label=each.name, initial=shown)
        super().__init__(*args, more=more, **kwargs)

    @property
    def values(self) -> dict[str, str]:
        return {name[2:]: (self[name].value() or "") for name in self.fields if name.startswith("v_")}


@tenant_view("apis.see_all")
@require_safe
def prompt(request: TenantRequest, api: str, prompt: str) -> HttpResponse:
    """One prompt, filled with what was typed: a preview that asks nobody."""
    version = version_of(api)
    now = newest(version)
    found = _prompt(ai_apis.offered(now), prompt)
    asked = any(name.startswith("v_") for name in request.GET)
    form = PreviewForm(request.GET if asked else None, prompt=found)
    values = form.values
    context = {
        "api": version.api,
        "version": version,
        "revision": now,
        "is_live": version.live_revision_id == now.pk,
        "prompt": found,
        "form": form,
        "filled": [{"role": each.role, "text": checking.filled(each.text, values)} for each in found.messages],
        "address": f"{address_of(request, version)}{found.path}",
        "may_publish": "apis.publish" in request.permissions,
    }
    return render(request, "ai/prompt.html", context)


def _form(request: TenantRequest, version: ApiVersion, form: PromptForm, *, title: str) -> HttpResponse:
    back = reverse("console-api-prompts", args=[request.tenant.slug, version.api.slug])
    context = {"form": form, "api": version.api, "title": title, "back": back}
    return render(request, "ai/prompt_form.html", context, status=form.http_status)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: TenantRequest, api: str) -> HttpResponse:
    version = version_of(api)
    now = newest(version)
    offer = ai_apis.offered(now)
    form = PromptForm(given(request), models=offer.models, initial={"seen": now.number})

    def act(typed: dict[str, Any]) -> Revision:
        wanted = Offer(offer.models, (*offer.prompts, form.wanted), offer.rails)
        return ai_apis.offer(version, wanted, instead_of=typed["seen"], by=request.user)

    if done := asking.carried_out(request, form, act):
        return changed(request, version, done.result)
    return _form(request, version, form, title=_("New prompt"))


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: TenantRequest, api: str, prompt: str) -> HttpResponse:
    version = version_of(api)
    now = newest(version)
    offer = ai_apis.offered(now)
    found = _prompt(offer, prompt)
    form = PromptForm(given(request), models=offer.models, prompt=found, initial={"seen": now.number})

    def act(typed: dict[str, Any]) -> Revision:
        prompts = tuple(form.wanted if each is found else each for each in offer.prompts)
        return ai_apis.offer(version, Offer(offer.models, prompts, offer.rails), instead_of=typed["seen"], by=request.user)

    if done := asking.carried_out(request, form, act):
        return changed(request, version, done.result)
    return _form(request, version, form, title=_("Change %(prompt)s") % {"prompt": found.name})


class LeaveForm(PageForm):
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: TenantRequest, api: str, prompt: str) -> HttpResponse:
    version = version_of(api)
    now = newest(version)
    offer = ai_apis.offered(now)
    found = _prompt(offer, prompt)
    question = asking.Question(
        title=_("Remove the prompt “%(prompt)s”?") % {"prompt": found.name},
        says=_("The next revision has it no more. Callers have it until that is live."),
        button=_("Remove it"),
        back=reverse("console-api-prompts", args=[request.tenant.slug, version.api.slug]),
        done=_("There is a revision without it. Make it live when callers need it no more."),
        danger=True,
    )

    def act(typed: dict[str, Any]) -> None:
        prompts = tuple(each for each in offer.prompts if each is not found)
        ai_apis.offer(version, Offer(offer.models, prompts, offer.rails), instead_of=typed["seen"], by=request.user)

    return asking.ask(request, question, LeaveForm(given(request), initial={"seen": now.number}), act)


_PLACE = "t/<str:tenant>/console/apis/<str:api>/"
urlpatterns = [
    path(f"{_PLACE}prompts/", listed, name="console-api-prompts"),
    path(f"{_PLACE}add-prompt/", new, name="console-api-prompt-new"),
    path(f"{_PLACE}prompts/<str:prompt>/", prompt, name="console-api-prompt"),
    path(f"{_PLACE}prompts/<str:prompt>/edit/", edit, name="console-api-prompt-edit"),
    path(f"{_PLACE}prompts/<str:prompt>/remove/", remove, name="console-api-prompt-remove"),
]
