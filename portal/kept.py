"""What was typed into a form that could not be taken: kept until its sender has signed in and is back at it, or sends it again."""

import time
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from apis.certificates import holds_private_key
from tenants import throttle
from tenants.origin import origin

KEY = "kept_form"
# Where somebody was who was led away to show a second factor.
BACK = "second_factor_back"
# Anybody can leave one in the session table, so they are short, few and soon gone.
MOST_BYTES = 256 * 1024
MOST_PER_ADDRESS, WINDOW = 30, 300
SECONDS = 3600
# What has one of these in its name never comes back.
SECRET = ("password", "secret", "code", "credential", "client_key")
# And what is called so: the private key of a domain, the key of a provider.
SECRET_NAMES = ("key",)
# Where a private key may stand by mistake, and then does not come back, either.
CERTIFICATES = ("ca", "client_certificate")


def fields_of(request: HttpRequest) -> list[tuple[str, str]]:
    """What was sent, in its order."""
    return [(name, text) for name, texts in request.POST.lists() for text in texts if name != "csrfmiddlewaretoken"]


def is_secret(name: str) -> bool:
    return name.lower() in SECRET_NAMES or any(word in name.lower() for word in SECRET)


def _is_kept(name: str, text: str) -> bool:
    return not is_secret(name) and not (name in CERTIFICATES and holds_private_key(text))


def repeatable(request: HttpRequest) -> list[tuple[str, str]]:
    """All that was sent, for a button that sends it once more; nothing where something would be missing then."""
    fields = fields_of(request)
    whole = not request.FILES and all(_is_kept(*each) for each in fields) and len(urlencode(fields)) <= MOST_BYTES
    return fields if whole else []


def keep(request: HttpRequest, *, why: str) -> str:
    """Keep what was sent to this address, and tell `why` when it is there again. Returns what is lost, as a sentence.

    Whose it is can't be known where the session is lost: it belongs to this browser's session, so it goes to who signs in there
    next, at the same address and if they may open it, and ends with the session of anybody.

    :raises TooMany: this address keeps too many.
    """
    request.session.pop(KEY, None)
    # What `once` names may have been done.
    fields = [(name, text) for name, text in fields_of(request) if name != "once" and _is_kept(name, text)]
    packed = urlencode(fields)
    if len(packed) > MOST_BYTES:
        return _("What you typed is too long to be kept.")
    lost = _("Choose the file again; files are not kept.") if request.FILES else ""
    if fields:
        throttle.attempt(f"kept form {origin.get().place}", limit=MOST_PER_ADDRESS, seconds=WINDOW, called=_("forms"))
        request.session[KEY] = {"path": request.path, "fields": packed, "said": f"{why} {lost}".strip(), "at": time.time()}
        if not request.user.is_authenticated:
            request.session.set_expiry(SECONDS)
    return lost


def given(request: HttpRequest) -> QueryDict | None:
    """The data for a page's form: what was sent now, else what was kept for this address, else nothing."""
    if request.method == "POST":
        return request.POST
    kept = request.session.get(KEY)
    if not kept or kept["path"] != request.path:
        return None
    del request.session[KEY]
    if kept["at"] < time.time() - SECONDS:
        return None
    messages.info(request, kept["said"])
    data = QueryDict(mutable=True)
    for name, text in parse_qsl(kept["fields"], keep_blank_values=True):
        data.appendlist(name, text)
    data["once"] = uuid4().hex
    return data


def sign_in_first(request: HttpRequest) -> HttpResponse:
    """To the sign-in page, and back: to the same address with what was typed, or to the page that a fragment stands on."""
    back = request.get_full_path()
    if request.method == "POST":
        lost = keep(request, why=_("You were signed out before this was sent. Look at it once more, then send it."))
        messages.info(request, f"{_('You were signed out.')} {lost or _('Sign in, and what you typed is there again.')}")
    elif getattr(request, "htmx", False):
        back = _stands_on(request) or back
    return _go(request, f"{reverse('account_login')}?{urlencode({'next': back})}")


def second_factor_first(request: HttpRequest) -> HttpResponse:
    """To where a second factor is set up or shown, and back in the same way."""
    back = request.get_full_path()
    if request.method == "POST":
        keep(request, why=_("This was not sent: your second factor was missing. Look at it once more, then send it."))
    elif getattr(request, "htmx", False):
        back = _stands_on(request) or back
    request.session[BACK] = back
    return _go(request, reverse("mfa_needed"))


def _stands_on(request: HttpRequest) -> str | None:
    """The page that a fragment was asked for by, as htmx says; None where that is none of ours."""
    try:
        found: str | None = request.htmx.current_url_abs_path  # type: ignore[attr-defined]
    except ValueError:
        return None
    # `//elsewhere/` is an address of ours until it stands alone; then it is elsewhere.
    return found if url_has_allowed_host_and_scheme(found, None) else None


def came_from_here(request: HttpRequest) -> bool:
    return request.headers.get("Origin") == f"{request.scheme}://{request.get_host()}"


def send_again(request: HttpRequest) -> HttpResponse:
    """For a form of ours whose token is too old: the same form again, filled in."""
    old = _("This form had grown old, so nothing was done. Look at it once more, then send it.")
    lost = keep(request, why=old)
    if KEY not in request.session:
        # Nothing else would tell it.
        messages.info(request, f"{old} {lost}".strip())
    return _go(request, request.get_full_path())


def _go(request: HttpRequest, address: str) -> HttpResponse:
    return HttpResponseClientRedirect(address) if getattr(request, "htmx", False) else HttpResponseRedirect(address)
