"""Signing in by a tenant's identity provider: which tenant's, the way there, and what comes back."""

from urllib.parse import urlsplit

from allauth.socialaccount.models import SocialApp
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from keys.models import IdentityProvider
from portal import provided
from portal.accounts import carried, onward
from portal.forms import PageForm, Text
from portal.kept import given
from tenants import throttle
from tenants.access import open_to_all, own_scope
from tenants.models import MAX_SLUG, Tenant
from tenants.origin import origin

# From one address: to guess at tenants with a provider, and to have us call one. A whole office may share an address.
LOOKS, TRIPS, WINDOW = 60, 300, 300
# A session of somebody who is on the way is a row in the table of sessions.
WAY_SECONDS = 900


class WhereForm(PageForm):
    slug = Text(
        most=200,
        label=gettext_lazy("Your team's address here"),
        help_text=gettext_lazy("The word after /t/ in the address of its pages, such as acme."),
    )

    def clean_slug(self) -> str:
        """The word alone, of whatever of the address was pasted."""
        text = self.cleaned_data["slug"].strip()
        try:
            path = urlsplit(text).path if "://" in text else text
        except ValueError:
            path = text
        return str(path.strip("/").removeprefix("t/").partition("/")[0]).lower()


@open_to_all("it is how one gets in, as long as nobody knows who it is")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest) -> HttpResponse:
    """Whose provider? A tenant without one is answered like a word that names none."""
    wanted = onward(request)
    asked = wanted.split("/")[2] if wanted.startswith("/t/") else ""
    form = WhereForm(given(request), initial={"slug": asked[:MAX_SLUG]})
    if request.method == "POST" and form.is_valid():
        throttle.attempt(f"providers {origin.get().place}", limit=LOOKS, seconds=WINDOW)
        found = Tenant.objects.filter(slug=form.cleaned_data["slug"][:MAX_SLUG]).first()
        if found and provided.provider_of(found):
            return redirect(reverse("sign-in", args=[found.slug]) + carried(wanted))
        form.add_error("slug", _("Nobody signs in there by a provider. Look at the word once more, or sign in with your password."))
    shown = {"form": form, "carried": carried(wanted)}
    return render(request, "account/provider_choose.html", shown, status=422 if request.method == "POST" else 200)


@open_to_all("it is how one gets in")
@own_scope
@never_cache
@require_safe
def sign_in(request: HttpRequest, tenant: str) -> HttpResponse:  # noqa: ARG001  (the middleware has read it)
    at = _at(request)
    host = urlsplit(_provider_of(at).issuer).netloc
    return render(request, "account/provider_sign_in.html", {"at": at, "host": host, "carried": carried(onward(request))})


@open_to_all("it is how one gets in")
@own_scope
@never_cache
@require_safe
def start(request: HttpRequest, tenant: str) -> HttpResponse:
    """To the provider, from our own page alone: a link elsewhere would sign somebody in without their asking, perhaps as another."""
    at, wanted = _at(request), onward(request)
    if not _came_from_our_page(request):
        return redirect(reverse("sign-in", args=[tenant]) + carried(wanted))
    throttle.attempt(f"provider trips {origin.get().place}", limit=TRIPS, seconds=WINDOW)
    if not request.user.is_authenticated:
        request.session.set_expiry(WAY_SECONDS)
    try:
        return provided.lead_there(request, at, onward=wanted)
    except SocialApp.DoesNotExist:
        raise Http404 from None


@open_to_all("the state in the session and the code are the proof")
@own_scope
@never_cache
@require_safe
def callback(request: HttpRequest, tenant: str) -> HttpResponse:  # noqa: ARG001  (the middleware has read it)
    at = _at(request)
    throttle.attempt(f"provider trips back {origin.get().place}", limit=TRIPS, seconds=WINDOW)
    try:
        return provided.brought_back(request, at)
    except SocialApp.DoesNotExist:
        raise Http404 from None


def _at(request: HttpRequest) -> Tenant:
    """:raises Http404: there is no such tenant, or nobody signs in to it by a provider; which of them is not told."""
    found: Tenant | None = getattr(request, "tenant", None)
    if found is None:
        raise Http404
    _provider_of(found)
    return found


def _provider_of(tenant: Tenant) -> IdentityProvider:
    found = provided.provider_of(tenant)
    if found is None:
        raise Http404
    return found


def _came_from_our_page(request: HttpRequest) -> bool:
    """As browsers say (Fetch Metadata), or where they don't by the page that they came from."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    ours = urlsplit(settings.PORTAL_URL)
    try:
        came = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        return False
    return (came.scheme, came.netloc) == (ours.scheme, ours.netloc)


urlpatterns = [
    path("accounts/provider/", choose, name="account_provider"),
    path("t/<str:tenant>/sign-in/", sign_in, name="sign-in"),
    path("t/<str:tenant>/sign-in/start/", start, name="sign-in-start"),
    path("t/<str:tenant>/sign-in/callback/", callback, name="sign-in-callback"),
]
