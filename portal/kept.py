"""What was typed into a form whose sender had no session any more: kept until they have signed in and are back at it."""

from urllib.parse import parse_qsl, urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from tenants import throttle
from tenants.origin import origin

KEY = "kept_form"
# Anybody can leave one in the session table, so they are short and few.
MOST_BYTES = 256 * 1024
MOST_PER_ADDRESS, WINDOW = 30, 300
# Neither comes back: the one is secret, the other must be fresh.
LEFT_OUT = ("password", "secret", "csrfmiddlewaretoken", "once")


def keep(request: HttpRequest) -> bool:
    """Keep what was sent to this address. False where it is too much, or nothing."""
    fields = [(name, text) for name, texts in request.POST.lists() for text in texts if not any(word in name for word in LEFT_OUT)]
    packed = urlencode(fields)
    if not fields or len(packed) > MOST_BYTES:
        return False
    throttle.attempt(f"kept form {origin.get().ip}", limit=MOST_PER_ADDRESS, seconds=WINDOW, called="forms")
    request.session[KEY] = {"path": request.path, "fields": packed}
    return True


def given(request: HttpRequest) -> QueryDict | None:
    """The data for a page's form: what was sent now, else what was kept for this address, else nothing."""
    if request.method == "POST":
        return request.POST
    kept = request.session.get(KEY)
    if not kept or kept["path"] != request.path:
        return None
    del request.session[KEY]
    data = QueryDict(mutable=True)
    for name, text in parse_qsl(kept["fields"], keep_blank_values=True):
        data.appendlist(name, text)
    return data


def sign_in_first(request: HttpRequest) -> HttpResponse:
    """To the sign-in page, and back: to the same address with what was typed, or to the page that a fragment stands on."""
    back = request.get_full_path()
    if request.method == "POST":
        back = request.path
        if keep(request):
            messages.info(request, _("You were signed out. Sign in, and what you typed is there again."))
    elif getattr(request, "htmx", False) and request.htmx.current_url_abs_path:  # type: ignore[attr-defined]
        back = request.htmx.current_url_abs_path  # type: ignore[attr-defined]
    address = f"{reverse('account_login')}?{urlencode({'next': back})}"
    return HttpResponseClientRedirect(address) if getattr(request, "htmx", False) else HttpResponseRedirect(address)


def send_again(request: HttpRequest) -> HttpResponse | None:
    """For a form whose token is too old: the same form again, filled in. None where it came from elsewhere."""
    ours = request.headers.get("Origin") == f"{request.scheme}://{request.get_host()}"
    if not ours or not request.user.is_authenticated or not keep(request):
        return None
    messages.info(request, _("This form had grown old. Look at it once more and send it again."))
    return HttpResponseClientRedirect(request.path) if getattr(request, "htmx", False) else HttpResponseRedirect(request.path)
