"""The inbox: what a person was told in this tenant, and how they want to hear of what."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from portal import inbox, news, news_words, words
from portal.forms import PageForm
from portal.inbox import Wish
from portal.kept import given
from portal.mails import tame
from portal.news import GROUPS
from portal.pages import asking
from portal.pages.listing import chosen, page_of
from tenants.access import TenantRequest, even_suspended, tenant_view
from tenants.models import Event, Notification, Tenant

MAIL: dict[str, Promise] = {
    inbox.Mail.AT_ONCE: gettext_lazy("At once"),
    inbox.Mail.DIGEST: gettext_lazy("In a daily digest"),
    inbox.Mail.NEVER: gettext_lazy("Never"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One notification; `address` opens it."""

    notification: Notification
    group: str | Promise
    title: str
    sentence: str
    quote: str
    address: str


def rows_of(tenant: Tenant, found: Iterable[Notification]) -> Iterator[Row]:
    """In the reader's language."""
    found = list(found)
    abouts = news.abouts([each.event for each in found])
    for each in found:
        group = GROUPS.get(news.GROUP_OF.get(each.event.kind, ""))
        title, sentence, quote = in_words(each.event, abouts.get(each.event.subject_id), tenant)
        yield Row(each, group.name if group else "", title, sentence, quote, reverse("inbox-open", args=[tenant.slug, each.pk]))


def in_words(event: Event, about: news.About, tenant: Tenant) -> tuple[str, str, str]:
    """Title, sentence, and what somebody wrote; of what is gone, or no news any more, as the audit says it."""
    if event.kind not in news.GROUP_OF or not news.knows(event, about):
        return words.happened(event.kind, event.data, actor=event.actor_name, subject=words.subject_of(event)), "", words.added(event.data)
    said = news_words.said(event, about, tenant)
    things = {name: tame(str(thing)) for name, thing in said.things.items()}
    return said.subject % things, said.sentence % things, said.quote


@tenant_view("tenant.see")
@require_safe
def listed(request: TenantRequest) -> HttpResponse:
    """One's own, newest first; `?show=unread` those that are news."""
    show = chosen(request, "show", ["unread"])
    found = inbox.unread(request.user) if show else inbox.of(request.user)
    page = page_of(request, found.select_related("event"))
    context = {"page": page, "rows": list(rows_of(request.tenant, page.rows)), "show": show}
    return render(request, "inbox/list.html", context)


@tenant_view("tenant.see")
@require_safe
def opened(request: TenantRequest, pk: UUID) -> HttpResponse:
    """On to what it is about; from then on it was seen."""
    found = get_object_or_404(inbox.of(request.user).select_related("event"), pk=pk)
    if request.method == "GET":
        inbox.read(inbox.of(request.user).filter(pk=pk))
    event = found.event
    about = news.abouts([event]).get(event.subject_id)
    if event.kind not in news.GROUP_OF or not news.knows(event, about):
        messages.info(request, _("What this is about is gone."))
        return redirect("inbox", request.tenant.slug)
    return HttpResponseRedirect(news_words.said(event, about, request.tenant).path)


@tenant_view("tenant.see")
@even_suspended
@require_http_methods(["GET", "HEAD", "POST"])
def read_all(request: TenantRequest) -> HttpResponse:
    if request.method == "POST":
        many = inbox.read(inbox.of(request.user))
        said = ngettext("%(many)s notification is marked as read.", "%(many)s notifications are marked as read.", many)
        messages.success(request, said % {"many": many})
    return redirect("inbox", request.tenant.slug)


class PreferencesForm(PageForm):
    """For each group of events whether it stands in the inbox, and when it comes by mail."""

    def __init__(self, *args: Any, wishes: dict[str, Wish], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wishes = wishes
        for name, wish in wishes.items():
            called = GROUPS[name].name
            self.fields[f"{name}_inbox"] = forms.BooleanField(required=False, initial=wish.inbox)
            self.fields[f"{name}_inbox"].widget.attrs["aria-label"] = _("%(group)s: in the inbox") % {"group": called}
            self.fields[f"{name}_mail"] = forms.ChoiceField(
                choices=list(MAIL.items()),
                initial=wish.mail,
                error_messages={"required": _("Choose one of the list."), "invalid_choice": _("Choose one of the list.")},
                widget=forms.Select(attrs={"class": "input", "aria-label": _("%(group)s: by mail") % {"group": called}}),
            )

    @property
    def groups(self) -> Iterator[tuple[news.Group, forms.BoundField, forms.BoundField]]:
        return ((GROUPS[name], self[f"{name}_inbox"], self[f"{name}_mail"]) for name in self.wishes)

    @property
    def chosen(self) -> dict[str, Wish]:
        return {name: Wish(self.cleaned_data[f"{name}_inbox"], self.cleaned_data[f"{name}_mail"]) for name in self.wishes}


@tenant_view("tenant.see")
@even_suspended
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: TenantRequest) -> HttpResponse:
    form = PreferencesForm(given(request), wishes=inbox.wishes_of(request.user, request.permissions))
    if request.method == "POST" and form.is_valid():
        inbox.choose(request.user, form.chosen)
        return asking.finished(request, back=reverse("inbox-preferences", args=[request.tenant.slug]), said=_("Saved."))
    context = {"form": form, "zone": request.user.time_zone}
    return render(request, "inbox/preferences.html", context, status=422 if request.method == "POST" else 200)


urlpatterns = [
    path("t/<str:tenant>/inbox/", listed, name="inbox"),
    path("t/<str:tenant>/inbox/read/", read_all, name="inbox-read"),
    path("t/<str:tenant>/inbox/preferences/", preferences, name="inbox-preferences"),
    path("t/<str:tenant>/inbox/<uuid:pk>/", opened, name="inbox-open"),
]
