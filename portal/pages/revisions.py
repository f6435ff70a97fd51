"""Revisions: a changed document, what it changes for callers, and which one is live."""

from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions import gate, importing, publishing, reviews, testing
from apis.compared import compared
from apis.mock import Origin
from apis.models import LARGE, LIVE_LARGE, ApiVersion, Revision
from apis.openapi import Document
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import ai_apis, asking, designing, documents, imports, lint
from portal.pages.documents import DocumentForm, Reading
from portal.pages.revision_changes import by_level, what_it_does
from portal.pages.revision_place import address_of, revision_at
from portal.pages.revision_testing import tests_of
from portal.pages.upstreams import HOW, UpstreamForm, as_it_is
from tenants.access import TenantRequest, inside, own_scope, tenant_view
from tenants.errors import Busy, Invalid, NotAllowed
from tenants.models import Event
from tenants.scope import tenant_scope


class RevisionForm(UpstreamForm, DocumentForm):
    note = Text(
        most=500,
        empty=True,
        label=gettext_lazy("Note"),
        help_text=gettext_lazy("What is new in it, for callers: it stands in the change log once it is live."),
    )
    field_order = ["document", "file", "document_url", "note"]

    def __init__(self, *args: Any, live: Revision | None, **kwargs: Any) -> None:
        self.may_be_empty = live is not None
        super().__init__(*args, **kwargs)
        if live:
            said = _("Leave this, the file and the address empty to keep the document of revision %(number)s.")
            self.fields["document"].help_text = said % {"number": live.number}
        self.fields["document_url"].help_text = _("Begins with https://. Portico fetches it once; leave the document above empty then.")
        if live and live.upstream and live.upstream.sealed:
            self.fields["secret"].help_text = _("Leave it empty to keep the secret as it is.")
        if live and live.upstream and live.upstream.sealed_key:
            self.fields["client_key"].help_text = _("Leave it empty to keep the private key as it is.")

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if data.get("document_url") and data.get("document", "").strip():
            # The address alone would come back with what was told.
            self.add_error("document_url", _("Write a document or its address, not both."))
        return data


def _version(api: str, name: str) -> ApiVersion:
    rows = ApiVersion.objects.select_related("api", "live_revision__upstream").defer(*LIVE_LARGE)
    found: ApiVersion = get_object_or_404(rows, api__slug=api, name=name)
    return found


@tenant_view("apis.publish")
@own_scope
@require_http_methods(["GET", "HEAD", "POST"])
def revision_new(request: TenantRequest, api: str, version: str) -> HttpResponse:
    """A changed document, or another upstream. As one types, the same form asks what is wrong with the document."""
    with tenant_scope(request.tenant.pk):
        found = _version(api, version)
        if found.api.is_ai:
            return ai_apis.elsewhere(request, found.api)
        live = found.live_revision
        if request.method != "POST":
            form = RevisionForm(given(request), live=live, initial=(imports.told(request) or _as_it_is(live)) | _to_edit(request, live))
            return render(request, "apis/revision_new.html", {"form": form, "version": found, "live": live})
    if answer := designing.answered(request):
        return answer
    if documents.as_typed(request):
        return _as_typed(request)
    form, status, reading = RevisionForm(request.POST, request.FILES, live=live), 422, None
    if form.is_valid():
        try:
            if form.cleaned_data["by_a_job"]:
                return _begin(request, found, form)
            reading = _read(request, form.cleaned_data["text"], live)
            if reading.document is not None:
                return _add(request, found, form, reading.document)
            # What a file held can be mended where it is shown.
            form.put("document", reading.text)
        except Busy as busy:
            status = 503
            form.add_error("document", str(busy))
        except NotAllowed as refusal:
            status = 409
            form.refuse(refusal)
        except Invalid as refusal:
            form.refuse(refusal)
    form.says_secret_is_gone()
    with tenant_scope(request.tenant.pk):
        found_by_rules = lint.shown(reading.found) if reading else None
        context = {"form": form, "version": found, "live": live, "reading": reading, "lint": found_by_rules}
        return render(request, "apis/revision_new.html", context, status=status)


def _as_typed(request: TenantRequest) -> HttpResponse:
    form, reading = DocumentForm(request.POST), None
    try:
        reading = documents.read(form.cleaned_data["text"]) if form.is_valid() else None
    except Busy as busy:
        form.add_error("document", str(busy))
    with inside(request, "apis.publish"):
        context = {"form": form, "reading": reading, "lint": lint.shown(reading.found) if reading else None}
        return render(request, "documents/_problems.html", context)


def _as_it_is(live: Revision | None) -> dict[str, Any]:
    upstream = live.upstream if live else None
    if upstream is None:
        return {"mock": live is not None}
    return {**as_it_is(upstream), "upstream": str(upstream)}


def _to_edit(request: TenantRequest, live: Revision | None) -> dict[str, Any]:
    """The live document, where it was asked for to be edited."""
    if live is None or request.GET.get("document") != "live":
        return {}
    text = designing.of_revision(live)
    if text is None:
        messages.info(request, _("The document of revision %(number)s is too large to be edited here.") % {"number": live.number})
    return {"document": text or ""}


def _begin(request: TenantRequest, version: ApiVersion, form: RevisionForm) -> HttpResponse:
    """A job fetches or reads it and adds the revision. :raises NotAllowed, Invalid: it doesn't."""
    told = form.cleaned_data
    if told["mock"]:
        aim, secrets = importing.Aim(mock=True, note=told["note"]), {}
    else:
        target = _checked(told, version.live_revision)
        names = ("upstream", "note", "header", "connect_timeout_ms", "timeout_ms", *HOW)
        aim = importing.Aim(**{name: told[name] for name in names})
        secrets = {"secret": target.secret, "client_key": target.client_key}
    with inside(request, "apis.publish"):
        form.claim()
        begun = importing.begin(**form.source, version=version, aim=aim, **secrets, by=request.user)
    return redirect(imports.address_of(request, begun))


def _checked(told: dict[str, Any], live: Revision | None) -> publishing.Target:
    return publishing.check_target(
        told["upstream"],
        connect_timeout_ms=told["connect_timeout_ms"],
        timeout_ms=told["timeout_ms"],
        header=told["header"],
        secret=told["secret"],
        client_key=told["client_key"],
        kept=live.upstream if live else None,
        **{name: told[name] for name in HOW},
    )


def _read(request: TenantRequest, text: str, live: Revision | None) -> Reading:
    """What was given, else the live revision's document once more, which was read when it came."""
    if text.strip() or live is None:
        return documents.read(text)
    with tenant_scope(request.tenant.pk):
        return Reading("", publishing.document_of(live))


def _add(request: TenantRequest, version: ApiVersion, form: RevisionForm, document: Document) -> HttpResponse:
    """:raises NotAllowed, Invalid: nothing was added."""
    told = form.cleaned_data
    target = publishing.answer_from_examples(document) if told["mock"] else _checked(told, version.live_revision)
    with inside(request, "apis.publish"):
        form.claim()
        made = publishing.add_revision(version, document=document, target=target, note=told["note"], by=request.user)
    said = _("%(revision)s is there. Nothing changes for callers before it is made live.") % {"revision": made}
    return asking.finished(request, back=address_of(request, made), said=said)


@tenant_view("apis.see_all")
@require_safe
def revision(request: TenantRequest, api: str, version: str, number: int) -> HttpResponse:
    """What a revision changes for callers: against the live one, or the one that `?against=` names."""
    found = revision_at(api, version, number)
    live = found.version.live_revision
    others = _others(found)
    against = _against(request, found, others)
    changes = compared(against, found)
    context = {
        "revision": found,
        "version": found.version,
        "live": live,
        "is_live": live is not None and live.pk == found.pk,
        "is_older": live is not None and found.number < live.number,
        "others": others,
        "against": against,
        "levels": by_level(changes),
        "operations": found.operations.count(),
        "answers": _counted_answers(found.answers or {}),
        "left_out": [name for name, each in (found.answers or {}).items() if each["origin"] == Origin.LEFT_OUT],
        "may_publish": "apis.publish" in request.permissions,
        "may_test": not testing.what_stands_against(found, found.version),
        "test": tests_of(request, found.version, [found]).get(found.pk),
        "lint": lint.shown(found.found),
        **_reviewed(request, found),
        "concerned": gate.callers(found.version, against, changes) if against and against.pk == found.version.live_revision_id else (),
    }
    return render(request, "apis/revision.html", context)


def _reviewed(request: TenantRequest, revision: Revision) -> dict[str, Any]:
    """Whether a second person has looked at it: the last review, whose it is, and whether something else went live since."""
    last = revision.reviews.select_related("requested_by", "decided_by").order_by("-pk").first()
    live = reviews.had_by_callers(revision.version)
    return {
        "review": last,
        "own_review": last is not None and last.is_own_of(request.user),
        "stale_review": last is not None and last.against_id != (live.pk if live else None),
        "unreviewed": reviews.what_stands_against(revision, revision.version),
    }


def _counted_answers(answers: dict[str, Any]) -> list[str]:
    """Where they come from, in sentences, without what is left out: that is listed by name."""
    many = Counter(each["origin"] for each in answers.values())
    said = (
        (
            many[Origin.GIVEN],
            ngettext(
                "%(many)s answer is an example of the document.", "%(many)s answers are examples of the document.", many[Origin.GIVEN]
            ),
        ),
        (
            many[Origin.MADE_UP],
            ngettext(
                "%(many)s answer is made up from its schema.", "%(many)s answers are made up from their schemas.", many[Origin.MADE_UP]
            ),
        ),
        (many[Origin.NONE], ngettext("%(many)s answer has no body.", "%(many)s answers have no body.", many[Origin.NONE])),
    )
    return [sentence % {"many": number} for number, sentence in said if number]


@dataclass(frozen=True, slots=True)
class Other:
    """A revision to compare with. `version`: the name of its version, where that is another one of the same API."""

    pk: UUID
    number: int
    version: str
    is_live: bool

    @property
    def value(self) -> str:
        return f"{self.version}/{self.number}" if self.version else str(self.number)


def _others(revision: Revision) -> list[Other]:
    """Those of its own version first, each version's newest first."""
    rows = Revision.objects.filter(version__api=revision.version.api_id).exclude(pk=revision.pk).order_by("version__name", "-number")
    found = [
        Other(pk, number, "" if version == revision.version_id else name, pk == live)
        for pk, number, version, name, live in rows.values_list("pk", "number", "version", "version__name", "version__live_revision")
    ]
    return sorted(found, key=lambda each: each.version)


def _against(request: TenantRequest, revision: Revision, others: list[Other]) -> Revision | None:
    """The one it is compared with: the one asked for, the live one, or the one before it."""
    asked, own = request.GET.get("against", ""), [each for each in others if not each.version]
    chosen = (
        [each for each in others if each.value == asked]
        or [each for each in own if each.is_live]
        or [each for each in own if each.number < revision.number]
    )
    return Revision.objects.select_related("upstream", "version__api").defer(*LARGE).get(pk=chosen[0].pk) if chosen else None


class LiveForm(PageForm):
    """`asks`: it breaks callers; `why`: some of them called lately what breaks."""

    # The number of the revision that the person sees live; empty while there is none.
    instead_of = forms.IntegerField(widget=forms.HiddenInput, required=False)
    reason = Text(
        most=500, lines=3, empty=True, label=gettext_lazy("Reason"), help_text=gettext_lazy("It stays in the audit, beside whom it breaks.")
    )
    override = forms.BooleanField(
        required=False,
        label=gettext_lazy("Make it live all the same"),
        help_text=gettext_lazy("Although what stands above speaks against it."),
    )

    def __init__(self, *args: Any, asks: bool, why: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = why
        self.fields["reason"].error_messages["required"] = _("Say why it goes live all the same.")
        if not why:
            del self.fields["reason"]
        if not asks:
            del self.fields["override"]


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def revision_live(request: TenantRequest, api: str, version: str, number: int) -> HttpResponse:
    """Make it live, which for an older one is going back."""
    found = revision_at(api, version, number)
    live = found.version.live_revision
    names = {"number": found.number, "version": found.version}
    back = live is not None and found.number < live.number
    looked = gate.look(found)
    served = found.version.status in ApiVersion.OFFERED
    unreviewed = reviews.what_stands_against(found, found.version) if served else ""
    against = " ".join(filter(None, [unreviewed, gate.what_stands_against(looked)]))
    question = asking.Question(
        title=(_("Go back to revision %(number)s of %(version)s?") if back else _("Make revision %(number)s of %(version)s live?")) % names,
        says=what_it_does(found, looked.differences),
        button=_("Go back to revision %(number)s") % names if back else _("Make it live"),
        back=address_of(request, found),
        done=_("Revision %(number)s of %(version)s is live.") % names,
        danger=looked.asks,
        note=asking.Note(against, "bad") if against else None,
    )
    initial = {"instead_of": live.number if live else None}
    form = LiveForm(given(request), initial=initial, asks=looked.asks, why=looked.asks and bool(looked.broken))

    def act(data: dict[str, Any]) -> Event:
        more = {"override": data.get("override", False), "reason": data.get("reason", "")}
        return gate.go_live(found, instead_of=data["instead_of"] or 0, **more, by=request.user)

    return asking.ask(request, question, form, act)


_PLACE = "t/<str:tenant>/console/apis/<str:api>/<str:version>/revisions/"
urlpatterns = [
    path(f"{_PLACE}new/", revision_new, name="console-api-revision-new"),
    path(f"{_PLACE}<int:number>/", revision, name="console-api-revision"),
    path(f"{_PLACE}<int:number>/live/", revision_live, name="console-api-revision-live"),
]
