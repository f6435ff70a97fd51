"""For operators of a trial: the mails that are files, because there is no mail server. With one there is nothing here."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from portal import outbox
from tenants.access import operator_view

MOST = 50


def _without_a_server(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if settings.EMAIL_BACKEND != outbox.BACKEND:
            raise Http404
        return view(request, **kwargs)

    return guarded


@operator_view
@_without_a_server
@require_safe
def listed(request: HttpRequest) -> HttpResponse:
    """The newest, at the top."""
    return render(request, "inbox/platform_mails.html", {"mails": outbox.newest(MOST), "most": MOST, "days": outbox.KEPT.days})


@operator_view
@_without_a_server
@require_safe
def shown(request: HttpRequest, name: str) -> HttpResponse:
    """One mail, as text: what stands in its HTML is other people's."""
    found = outbox.read(name)
    if found is None:
        raise Http404
    return render(request, "inbox/platform_mail.html", {"mail": found})


urlpatterns = [
    path("platform/mails/", listed, name="platform-mails"),
    path("platform/mails/<str:name>/", shown, name="platform-mail"),
]
