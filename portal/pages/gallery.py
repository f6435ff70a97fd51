"""Every component in every state, for whoever builds pages; in development alone (PORTICO_DEBUG)."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from portal.templatetags.ui import STATES
from tenants.access import open_to_all


@open_to_all("it shows the components with made-up content, and exists in development alone")
@require_safe
def gallery(request: HttpRequest) -> HttpResponse:
    if not settings.DEBUG:
        raise Http404
    return render(request, "gallery.html", {"states": list(STATES)})


urlpatterns = [path("_components/", gallery, name="gallery")]
