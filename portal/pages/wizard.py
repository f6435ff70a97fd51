"""A new API in four steps. What is told is kept in a draft; nothing is public before the last step."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.validators import RegexValidator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis import client_certificates
from apis.actions import drafts, importing, publishing
from apis.models import Api, Draft
from apis.openapi import Problem
from keys import tokens
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking, designing, documents, imports, lint
from portal.pages.documents import DocumentForm, Reading
from portal.pages.plans import PlanForm
from portal.pages.upstreams import CONNECTS, HOW, UpstreamForm, as_it_is, asks_the_same
from tenants.access import TenantRequest, inside, own_scope, tenant_view
from tenants.errors import Busy, Invalid, NotAllowed
from tenants.models import SLUG
from tenants.scope import tenant_scope

STEPS = (
    ("console-api-new", gettext_lazy("Document")),
    ("console-api-new-check", gettext_lazy("Check")),
    ("console-api-new-upstream", gettext_lazy("Upstream")),
    ("console-api-new-plan", gettext_lazy("Plan and publish")),
)


class NameForm(PageForm):
    name = Text(most=80, label=gettext_lazy("Name"), help_text=gettext_lazy("As developers read it in the catalogue."))
    slug = Text(
        most=40,
        label=gettext_lazy("Slug"),
        help_text=gettext_lazy("Part of its address, and never changed or given again."),
        validators=[RegexValidator(SLUG.regex, gettext_lazy("Use lower-case letters, digits and single hyphens."))],
    )
    description = Text(
        most=5000,
        lines=5,
        empty=True,
        label=gettext_lazy("Description"),
        help_text=gettext_lazy("What it is good for, in Markdown."),
    )


class PublishForm(PlanForm):
    # When the draft that the person sees was changed last.
    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)


def _mine(request: TenantRequest) -> Draft | None:
    found: Draft | None = Draft.objects.of(request.user).defer("large").first()
    return found


def _reached(draft: Draft | None) -> list[str]:
    """The steps that can be gone to."""
    names = [name for name, _label in STEPS]
    if draft is None:
        return names[:1]
    if draft.problems or not draft.slug:
        return names[:2]
    return names if draft.upstream or draft.mock else names[:3]


def _elsewhere(request: TenantRequest, draft: Draft | None, step: str) -> HttpResponseRedirect | None:
    """To the last step that can be gone to, where `step` can't."""
    reached = _reached(draft)
    if step in reached:
        return None
    if draft is None:
        messages.info(request, _("There is no draft here: it was published or thrown away, or a week went by."))
        if request.method == "POST":
            return redirect("console-apis", request.tenant.slug)
    return redirect(reached[-1], request.tenant.slug)


def _page(request: TenantRequest, step: str, draft: Draft | None, *, status: int = 200, **more: Any) -> HttpResponse:
    reached = _reached(draft)
    steps = [
        {
            "number": index,
            "label": label,
            "url": reverse(name, args=[request.tenant.slug]) if name in reached else "",
            "current": name == step,
        }
        for index, (name, label) in enumerate(STEPS, 1)
    ]
    template = f"wizard/{step.removeprefix('console-api-').replace('new-', '').replace('new', 'document')}.html"
    return render(request, template, {"steps": steps, "draft": draft, **more}, status=status)


def _address(request: TenantRequest, slug: str) -> str:
    return f"{tokens.audience(settings.GATEWAY_URL, request.tenant.slug)}/{slug}/{drafts.FIRST_VERSION}"


@tenant_view("apis.publish")
@own_scope
@require_http_methods(["GET", "HEAD", "POST"])
def document(request: TenantRequest) -> HttpResponse:
    """Step 1. As one types, the same form asks what is wrong with it."""
    if request.method != "POST":
        with tenant_scope(request.tenant.pk):
            draft = _mine(request)
            form = DocumentForm(given(request), initial={"document": draft.document if draft else "", **imports.told(request)})
            return _page(request, "console-api-new", draft, form=form)
    if answer := designing.answered(request):
        return answer
    as_typed = documents.as_typed(request)
    form, status = DocumentForm(request.POST, request.FILES), 422
    if form.is_valid():
        try:
            if form.cleaned_data["by_a_job"]:
                with inside(request, "apis.publish"):
                    return redirect(imports.address_of(request, importing.begin(**form.source, by=request.user)))
            reading = documents.read(form.cleaned_data["text"])
            with inside(request, "apis.publish"):
                draft = drafts.write(document=reading.text, read=reading.document, problems=reading.problems, by=request.user)
                if as_typed:
                    context = {"reading": reading, "saved": draft.changed_at, "lint": lint.shown(reading.found)}
                    return render(request, "documents/_problems.html", context)
            return redirect("console-api-new-check", request.tenant.slug)
        except Busy as busy:
            status = 503
            form.add_error("document", str(busy))
        except NotAllowed as refusal:
            status = 409
            form.add_error("document_url" if form.cleaned_data["document_url"] else "file", str(refusal))
    if as_typed:
        return render(request, "documents/_problems.html", {"form": form}, status=status)
    with tenant_scope(request.tenant.pk):
        return _page(request, "console-api-new", _mine(request), form=form, status=status)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def check(request: TenantRequest) -> HttpResponse:
    """Step 2."""
    draft = _mine(request)
    if away := _elsewhere(request, draft, "console-api-new-check"):
        return away
    assert draft is not None
    form, status = NameForm(given(request), initial=_proposed(draft)), 200
    if request.method == "POST" and not draft.problems:
        status = 422
        if form.is_valid() and Api.objects.filter(slug=form.cleaned_data["slug"]).exists():
            form.add_error("slug", _("There is an API with this slug already; choose another."))
        if form.is_valid():
            told = {name: form.cleaned_data[name] for name in ("name", "slug", "description")}
            drafts.describe(draft, **told)
            return redirect("console-api-new-upstream", request.tenant.slug)
    reading = Reading(draft.document, None, tuple(Problem(**each) for each in draft.problems))
    written = sum(each["method"] not in {"GET", "HEAD", "OPTIONS"} for each in draft.operations)
    context = {
        "form": form,
        "reading": reading,
        "written": written,
        "address": _address(request, draft.slug or _proposed(draft)["slug"]),
        "lint": lint.shown(draft.found),
    }
    return _page(request, "console-api-new-check", draft, status=status, **context)


def _proposed(draft: Draft) -> dict[str, str]:
    """What was told before, else what the document says of itself."""
    told = draft.outline or {"title": "", "description": ""}
    if draft.slug:
        return {"name": draft.name, "slug": draft.slug, "description": draft.description}
    slug = slugify(slugify(told["title"]).replace("_", "-"))
    return {"name": told["title"][:80], "slug": slug[:40].strip("-"), "description": told["description"][:5000]}


@tenant_view("apis.publish")
@own_scope
@require_http_methods(["GET", "HEAD", "POST"])
def upstream(request: TenantRequest) -> HttpResponse:
    """Step 3."""
    with tenant_scope(request.tenant.pk):
        draft = _mine(request)
        if away := _elsewhere(request, draft, "console-api-new-upstream"):
            return away
        assert draft is not None
        if request.method != "POST":
            form = UpstreamForm(given(request), initial={**as_it_is(draft), "mock": draft.mock, "upstream": draft.upstream})
            return _page(request, "console-api-new-upstream", draft, form=form)
    form, status = UpstreamForm(request.POST), 422
    if form.is_valid():
        try:
            _aim(request, draft, form.cleaned_data)
            return redirect("console-api-new-plan", request.tenant.slug)
        except Invalid as refusal:
            form.refuse(refusal)
        except NotAllowed as refusal:
            status = 409
            form.refuse(refusal)
    form.says_secret_is_gone()
    with tenant_scope(request.tenant.pk):
        return _page(request, "console-api-new-upstream", draft, form=form, status=status)


def _aim(request: TenantRequest, draft: Draft, told: dict[str, Any]) -> None:
    """:raises NotAllowed, Invalid: nothing was changed."""
    if told["mock"]:
        with inside(request, "apis.publish"):
            drafts.answer_from_examples(draft)
        return
    # Left empty, the secret given before stays with its header, and the private key with its certificate.
    secret = told["secret"] or (drafts.secret_of(draft) if asks_the_same(told, draft) else "")
    same_key = client_certificates.same_key(told["client_certificate"], draft.connects.client_certificate)
    client_key = told["client_key"] or (drafts.client_key_of(draft) if same_key else "")
    target = publishing.check_target(
        told["upstream"],
        connect_timeout_ms=told["connect_timeout_ms"],
        timeout_ms=told["timeout_ms"],
        header=told["header"],
        secret=secret,
        client_key=client_key,
        **{name: told[name] for name in HOW},
    )
    publishing.check_paths(target.connection, [each["path"] for each in draft.operations])
    with inside(request, "apis.publish"):
        drafts.aim(draft, url=told["upstream"], target=target)


@tenant_view("apis.publish")
@own_scope
@require_http_methods(["GET", "HEAD", "POST"])
def plan(request: TenantRequest) -> HttpResponse:
    """Step 4: the summary, the first plan, and all of it at once."""
    with tenant_scope(request.tenant.pk):
        draft = _mine(request)
        if away := _elsewhere(request, draft, "console-api-new-plan"):
            return away
        assert draft is not None
        seen = draft.changed_at.isoformat()
        address = _address(request, draft.slug)
        if request.method != "POST":
            form = PublishForm(given(request), initial={"name": "standard", "seen": seen})
            return _page(request, "console-api-new-plan", draft, form=form, address=address)
    form, status = PublishForm(request.POST), 422
    if form.is_valid():
        try:
            if form.cleaned_data["seen"] != seen:
                raise NotAllowed(_("The draft was changed meanwhile, perhaps in another tab. Look at the summary, then publish."))
            return _publish(request, draft, form)
        except Busy as busy:
            status = 503
            form.add_error(None, str(busy))
        except NotAllowed as refusal:
            status = 409
            form.refuse(refusal)
        except Invalid as refusal:
            form.refuse(refusal)
    # What is shown now is the draft as it is now.
    form.put("seen", seen)
    with tenant_scope(request.tenant.pk):
        return _page(request, "console-api-new-plan", draft, form=form, status=status, address=address)


def _publish(request: TenantRequest, draft: Draft, form: PublishForm) -> HttpResponse:
    """:raises Busy, NotAllowed, Invalid: nothing was published."""
    with tenant_scope(request.tenant.pk):
        document = drafts.document_of(draft)
    document = document or documents.read(draft.document).document
    if document is None:
        raise NotAllowed(_("The document has problems by now; go back to the second step."))
    target = publishing.answer_from_examples(document) if draft.mock else _target(draft)
    with inside(request, "apis.publish"):
        form.claim()
        api, event = drafts.publish(draft, document=document, target=target, plan=drafts.Terms(**form.terms), by=request.user)
    back = reverse("console-api", args=[request.tenant.slug, api.slug])
    return asking.finished(request, back=back, said=_("%(api)s is published.") % {"api": api}, event=event)


def _target(draft: Draft) -> publishing.Target:
    return publishing.check_target(
        draft.upstream,
        connect_timeout_ms=draft.connect_timeout_ms,
        timeout_ms=draft.timeout_ms,
        header=draft.header,
        secret=drafts.secret_of(draft),
        client_key=drafts.client_key_of(draft),
        **{name: getattr(draft.connects, name) for name in CONNECTS},
        **draft.balances.given,
    )


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def discard(request: TenantRequest) -> HttpResponse:
    question = asking.Question(
        title=_("Throw the draft away?"),
        says=_("The document and what you told about it are gone then. Nothing of it was public."),
        button=_("Throw it away"),
        back=reverse("console-apis", args=[request.tenant.slug]),
        done=_("The draft is gone."),
        danger=True,
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _data: drafts.discard(by=request.user))


urlpatterns = [
    path("t/<str:tenant>/console/new-api/", document, name="console-api-new"),
    path("t/<str:tenant>/console/new-api/check/", check, name="console-api-new-check"),
    path("t/<str:tenant>/console/new-api/upstream/", upstream, name="console-api-new-upstream"),
    path("t/<str:tenant>/console/new-api/plan/", plan, name="console-api-new-plan"),
    path("t/<str:tenant>/console/new-api/discard/", discard, name="console-api-new-discard"),
]
