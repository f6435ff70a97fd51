"""What callers ask the models of an API and what these answer: whether it is kept, of whom, and what there is."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis.actions import content_logging
from apis.ai import conversation
from apis.models import MOST_CONSENT, Api, ContentConsent, ContentLogging
from gateway import contents
from gateway.models import LoggedContent
from keys.models import Application
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking, consent, listing
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event

# So many applications stand in the filter; the names in the list lead to the others.
MOST_NAMED = 200
ROLES: dict[str, Promise] = {
    "system": gettext_lazy("System"),
    "developer": gettext_lazy("Developer"),
    "user": gettext_lazy("User"),
    "assistant": gettext_lazy("Model"),
    "tool": gettext_lazy("Tool"),
}


class KeepingForm(PageForm):
    """`seen`: what was there when the page was made."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=16)
    enabled = forms.BooleanField(required=False, label=gettext_lazy("Prompts and answers are kept, of those who agree"))
    requests = forms.BooleanField(required=False, label=gettext_lazy("What callers ask"))
    answers = forms.BooleanField(required=False, label=gettext_lazy("What models answer"))
    days = forms.IntegerField(
        label=gettext_lazy("Days"),
        help_text=gettext_lazy("From 1 to 365. After that it is deleted."),
        error_messages={"invalid": gettext_lazy("Write a number of days, such as 30.")},
    )
    consent = Text(
        most=MOST_CONSENT,
        lines=8,
        label=gettext_lazy("What people agree to"),
        help_text=gettext_lazy("What the texts are for, and who reads them. Whoever asks for a subscription reads this, and has to agree."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["consent"].error_messages["required"] = _("Write what people agree to: what the texts are for, and who reads them.")


def _initial(row: ContentLogging | None) -> dict[str, Any]:
    seen = {"seen": content_logging.stamp(row)}
    if row is None:
        return {"enabled": False, "requests": True, "answers": True, "days": content_logging.DAYS, "consent": "", **seen}
    return {name: getattr(row, name) for name in ("enabled", "requests", "answers", "days", "consent")} | seen


def _api(slug: str) -> Api:
    """
    :raises Http404: it is none of models.
    """
    found: Api = get_object_or_404(Api.objects, slug=slug)
    if not found.is_ai:
        raise Http404
    return found


def _here(request: TenantRequest, api: Api) -> str:
    return reverse("console-api-contents", args=[request.tenant.slug, api.slug])


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def api_contents(request: TenantRequest, api: str) -> HttpResponse:
    """What is said about it, and what was kept; `?application=` has that of one."""
    found = _api(api)
    row = content_logging.of(found)
    form = KeepingForm(given(request), initial=_initial(row))

    def change(typed: dict[str, Any]) -> Event | None:
        told = {name: typed[name] for name in ("enabled", "requests", "answers", "days", "consent")}
        return content_logging.put(found, **told, seen=typed["seen"] or None, by=request.user)

    if done := asking.carried_out(request, form, change):
        on = (
            _("Prompts and answers of %(api)s are kept, of those who agree.")
            if form.cleaned_data["enabled"]
            else _("Nothing of %(api)s is kept.")
        )
        said = on % {"api": found} if done.result else _("Nothing was changed.")
        return asking.finished(request, back=_here(request, found), said=said, event=done.result)
    stored = content_logging.of(found)
    agreed, many = content_logging.counts(found)
    applications = _applications(found)
    application = next((each for each in applications if str(each.pk) == request.GET.get("application")), None)
    page = listing.page_of(request, contents.listed(found, application))
    context = {
        "api": found,
        "form": form,
        "logging": stored,
        "kept": consent.sentence(stored) if stored else "",
        "agreed": agreed,
        "many": many,
        "applications": applications,
        "application": application,
        "page": page,
        "rows": [(each, round(each.us / 1000)) for each in page.rows],
    }
    return render(request, "apis/contents.html", context, status=form.http_status)


def _applications(api: Api) -> list[Application]:
    """Those of which something may be kept, or was: whose people have agreed once."""
    asked = ContentConsent.objects.filter(subscription__api=api).values("subscription__application")
    return list(Application.objects.filter(pk__in=asked).order_by("name", "pk")[:MOST_NAMED])


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def api_content(request: TenantRequest, api: str, content: UUID) -> HttpResponse:
    """One call. Looking at the page shows whose it was and when; what was said is shown to who asks for it, which is written down."""
    found = _api(api)
    row: LoggedContent = get_object_or_404(contents.listed(found).defer(None).select_related("api", "application"), pk=content)
    context: dict[str, Any] = {"api": found, "row": row, "ms": round(row.us / 1000)}
    if request.method == "POST":
        opened = contents.opened(row, by=request.user)
        context |= {"opened": True, "sides": _sides(row, opened)}
    return render(request, "apis/content.html", context)


@dataclass(frozen=True, slots=True)
class Said:
    role: str
    pieces: tuple[conversation.Piece, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """What was asked, or answered. `raw`: as it was sent, None where it was not kept; `messages`: none where nobody says anything in it."""

    name: str
    title: str
    raw: str | None
    cut: bool
    messages: list[Said]
    left_out: int


def _sides(row: LoggedContent, opened: contents.Opened) -> list[Side]:
    """Of a stream the text that it brought stands for what was sent."""
    asked, answered = opened.request, opened.answer
    talk = None if asked is None else conversation.asked(asked)
    reply = None if answered is None else conversation.answered(answered, streamed=row.streamed)
    as_sent = conversation.unescaped if row.streamed else conversation.pretty
    return [
        Side("asked", _("What was asked"), asked and conversation.pretty(asked), row.request_cut, *_messages(talk)),
        Side("answered", _("What was answered"), answered and as_sent(answered), row.answer_cut, *_messages(reply)),
    ]


def _messages(found: conversation.Conversation | None) -> tuple[list[Said], int]:
    """With how many there were beyond them."""
    if found is None:
        return [], 0
    return [Said(str(ROLES.get(each.role, each.role)), each.pieces) for each in found.messages], found.left_out


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def api_contents_erase(request: TenantRequest, api: str) -> HttpResponse:
    found = _api(api)
    if request.method != "POST" and not contents.listed(found).exists():
        return redirect(_here(request, found))
    question = asking.Question(
        title=_("Delete all prompts and answers of %(api)s?") % {"api": found},
        says=_(
            "All that was kept until now is deleted, of all applications, and the key that it was encrypted with is destroyed. "
            "This can't be undone. What comes is kept as before."
        ),
        button=_("Delete all"),
        back=_here(request, found),
        done=_("All prompts and answers of %(api)s are deleted.") % {"api": found},
        danger=True,
    )
    form = PageForm(given(request))
    if done := asking.carried_out(request, form, lambda _typed: contents.erase(found, by=request.user)):
        # No gateway has it, so there is no receipt to show.
        return asking.finished(request, back=question.back, said=question.done if done.result else _("There was nothing to delete."))
    return asking.asked(request, question, form, status=form.http_status)


_HERE = "t/<str:tenant>/console/apis/<str:api>/contents/"
urlpatterns = [
    path(_HERE, api_contents, name="console-api-contents"),
    path(f"{_HERE}erase/", api_contents_erase, name="console-api-contents-erase"),
    path(f"{_HERE}<uuid:content>/", api_content, name="console-api-content"),
]
