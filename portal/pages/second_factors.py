"""A person's second factors: an authenticator app, passkeys and security keys, recovery codes; and showing them, to sign in and again."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.internal.flows.reauthentication import is_reauthentication_required
from allauth.account.views import BaseReauthenticateView
from allauth.account.views import ReauthenticateView as ByPassword
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.internal.flows import post_authentication
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.base.views import ReauthenticateView as ByCode
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal import flows as recovery_codes
from allauth.mfa.totp.internal import flows as totp
from allauth.mfa.webauthn.internal import auth as webauthn
from allauth.mfa.webauthn.internal import flows as keys
from allauth.mfa.webauthn.views import LoginWebAuthnView
from allauth.mfa.webauthn.views import ReauthenticateWebAuthnView as ByKey
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts import PROVIDED
from portal.errors import status_of
from portal.forms import PageForm
from portal.kept import BACK, given
from portal.pages.asking import Note, Question, ask, finished
from portal.second_factors import (
    ALONE,
    SECRET,
    AddKey,
    ConfirmingCode,
    ConfirmingKey,
    ConfirmingPassword,
    RenameKey,
    SetUpForm,
    SignInCode,
    SignInKey,
    SignInPasskey,
    passkeys_work,
    person,
    qr,
    tell_sign_in,
)
from tenants import events, throttle
from tenants.access import SIGNED_IN, open_to_all, signed_in
from tenants.origin import origin
from tenants.second_factors import KINDS, first_time, has_second_factor, shown

P = ParamSpec("P")
Page = Callable[Concatenate[HttpRequest, P], HttpResponse]
# Challenges for passkeys that one address may ask for: each is a row in the table of sessions.
CHALLENGES, WINDOW = 60, 300
CHALLENGE_SECONDS = 600


def confirmed(view: Page[P]) -> Page[P]:
    """Who is signed in has shown a few minutes ago that it is them: an open browser gives nobody a second factor, nor takes one."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if is_reauthentication_required(request, app="allauth.mfa"):
            way = get_account_adapter().get_reauthentication_methods(request.user)[0]
            return HttpResponseRedirect(f"{way['url']}?{urlencode({'next': request.path})}")
        return view(request, *args, **kwargs)

    return guarded


def _page(request: HttpRequest, template: str, *, status: int = 200, **context: Any) -> HttpResponse:
    return render(request, template, {"at_profile": True, **context}, status=status)


def _fetch(request: HttpRequest, **which: Any) -> Authenticator:
    found: Authenticator | None = Authenticator.objects.filter(user=person(request), **which).first()
    if found is None:
        raise Http404
    return found


def _after_adding(request: HttpRequest, added: Authenticator, codes: Authenticator | None) -> HttpResponse:
    """It has just been used, so this session is as good as one that began with it. The first brings recovery codes along."""
    user = person(request)
    events.record_platform("mfa.authenticator_added", user, by=user, type=added.type)
    post_authentication(request, added, reauthenticated=True)
    if codes:
        events.record_platform("mfa.recovery_codes_made", user, by=user)
        return redirect("mfa_view_recovery_codes")
    return redirect("mfa_index")


# --- what there is ----------------------------------------------------------------------------------------------------------------------


@signed_in
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    found = list(Authenticator.objects.filter(user=person(request)).order_by("created_at"))
    codes = next((each for each in found if each.type == Authenticator.Type.RECOVERY_CODES), None)
    context: dict[str, Any] = {
        "app": next((each for each in found if each.type == Authenticator.Type.TOTP), None),
        "keys": [each.wrap() for each in found if each.type == Authenticator.Type.WEBAUTHN],
        "codes": codes,
        "left": _left(codes) if codes else 0,
        "passkeys_work": passkeys_work(request),
        # Who was led here goes on where they were.
        "back": request.session.pop(BACK, None) if shown(request) else None,
    }
    return _page(request, "mfa/index.html", **context)


def _left(codes: Authenticator) -> int:
    used: int = codes.data["used_mask"].bit_count()
    return int(settings.MFA_RECOVERY_CODE_COUNT) - used


@signed_in
@require_safe
def needed(request: HttpRequest) -> HttpResponse:
    """Where a tenant that asks for a second factor sends its members who have shown none."""
    user, back = person(request), request.session.get(BACK, reverse("home"))
    ways = get_account_adapter().get_reauthentication_methods(user) if has_second_factor(user) else []
    ways = [{**way, "url": f"{way['url']}?{urlencode({'next': back})}"} for way in ways if way["id"] != "reauthenticate"]
    return _page(request, "mfa/needed.html", ways=ways, back=back, passkeys_work=passkeys_work(request))


# --- an authenticator app ---------------------------------------------------------------------------------------------------------------


@signed_in
@confirmed
@require_http_methods(["GET", "HEAD", "POST"])
def add_app(request: HttpRequest) -> HttpResponse:
    user = person(request)
    if Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists():
        messages.info(request, _("You have an authenticator app already. Remove it first to set up another one."))
        return redirect("mfa_index")
    form = SetUpForm(request.POST if request.method == "POST" else None, user=user)
    if not form.is_valid():
        address = get_adapter().build_totp_url(user, form.secret)
        status = 422 if form.is_bound else 200
        return _page(request, "mfa/app.html", status=status, form=form, qr=qr(address), secret=_in_fours(form.secret), address=address)
    added, codes = totp.activate_totp(request, form)
    del request.session[SECRET]
    # It can't be used to sign in as well.
    first_time(added, form.cleaned_data["code"])
    return _after_adding(request, added, codes)


def _in_fours(secret: str) -> str:
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))


@signed_in
@confirmed
@require_http_methods(["GET", "HEAD", "POST"])
def remove_app(request: HttpRequest) -> HttpResponse:
    found = _fetch(request, type=Authenticator.Type.TOTP)
    question = _removal(found, title=_("Remove the authenticator app?"), done=_("The authenticator app is removed."))
    return ask(request, question, PageForm(given(request)), lambda _data: _remove(request, found, totp.deactivate_totp))


def _removal(found: Authenticator, *, title: str, done: str) -> Question:
    last = not Authenticator.objects.filter(user=found.user, type__in=KINDS).exclude(pk=found.pk).exists()
    note = _("It is the last one: your password alone lets in then, and your recovery codes end. Tenants may ask for a second factor.")
    return Question(
        title=title,
        says=_("It can't be used to sign in any more."),
        button=_("Remove"),
        back=reverse("mfa_index"),
        done=done,
        danger=True,
        note=Note(note, "bad") if last else None,
    )


def _remove(request: HttpRequest, found: Authenticator, how: Callable[[HttpRequest, Authenticator], None]) -> None:
    user, what = person(request), found.type
    how(request, found)
    events.record_platform("mfa.authenticator_removed", user, by=user, type=what)


# --- passkeys and security keys ---------------------------------------------------------------------------------------------------------


@signed_in
@confirmed
@require_http_methods(["GET", "HEAD", "POST"])
def add_key(request: HttpRequest) -> HttpResponse:
    if not passkeys_work(request):
        return redirect("mfa_index")
    form = AddKey(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        options = {"creation_options": webauthn.begin_registration(person(request), False)}  # noqa: FBT003  (its signature)
        return _page(request, "mfa/key_add.html", status=422 if form.is_bound else 200, form=form, js_data=options)
    name = form.cleaned_data["name"] or get_adapter().generate_authenticator_name(person(request), Authenticator.Type.WEBAUTHN)
    added, codes = keys.add_authenticator(request, name=name, credential=form.cleaned_data["credential"])
    added.data[ALONE] = form.cleaned_data["passwordless"]
    added.save(update_fields=["data"])
    return _after_adding(request, added, codes)


@signed_in
@confirmed
@require_http_methods(["GET", "HEAD", "POST"])
def rename_key(request: HttpRequest, pk: int) -> HttpResponse:
    found = _fetch(request, type=Authenticator.Type.WEBAUTHN, pk=pk)
    form = RenameKey(request.POST if request.method == "POST" else None, initial={"name": found.wrap().name})
    if not form.is_valid():
        return _page(request, "mfa/key_rename.html", status=422 if form.is_bound else 200, form=form)
    keys.rename_authenticator(request, found, form.cleaned_data["name"])
    return finished(request, back=reverse("mfa_index"), said=_("Saved."))


@signed_in
@confirmed
@require_http_methods(["GET", "HEAD", "POST"])
def remove_key(request: HttpRequest, pk: int) -> HttpResponse:
    found = _fetch(request, type=Authenticator.Type.WEBAUTHN, pk=pk)
    name = found.wrap().name
    title, done = _("Remove “%(name)s”?") % {"name": name}, _("“%(name)s” is removed.") % {"name": name}
    question = _removal(found, title=title, done=done)
    return ask(request, question, PageForm(given(request)), lambda _data: _remove(request, found, keys.remove_authenticator))


# --- recovery codes ---------------------------------------------------------------------------------------------------------------------


@signed_in
@confirmed
@require_http_methods(["GET"])
def codes(request: HttpRequest) -> HttpResponse:
    """Shown once, after they were made."""
    found, may_see = recovery_codes.view_recovery_codes(request)
    if found is None:
        raise Http404
    told = "\n".join(found.get_unused_codes()) if may_see else ""
    onwards = request.session.pop(BACK, None) or reverse("mfa_index")
    return _page(request, "mfa/codes.html", text=told, left=_left(found.instance), onwards=onwards)


@signed_in
@confirmed
@require_http_methods(["GET", "HEAD", "POST"])
def new_codes(request: HttpRequest) -> HttpResponse:
    if not recovery_codes.can_generate_recovery_codes(person(request)):
        raise Http404
    question = Question(
        title=_("Make new recovery codes?"),
        says=_("Those you have end at once. The new ones are shown once."),
        button=_("Make new codes"),
        back=reverse("mfa_view_recovery_codes"),
        done=_("These are your recovery codes from now on."),
    )
    return ask(request, question, PageForm(given(request)), lambda _data: _make_codes(request))


def _make_codes(request: HttpRequest) -> None:
    recovery_codes.generate_recovery_codes(request)
    events.record_platform("mfa.recovery_codes_made", person(request), by=person(request))


# --- showing one ------------------------------------------------------------------------------------------------------------------------


class Refusing:
    """allauth's views, refusing as ours do: 422, or as long as one has to wait; and never a page that was sent twice."""

    def form_invalid(self, form: Any) -> HttpResponse:
        refusal = getattr(form, "refusal", None)
        response: HttpResponse = self.render_to_response(self.get_context_data(form=form))  # type: ignore[attr-defined]
        response.status_code = status_of(refusal) if refusal else 422
        if refusal:
            response["Retry-After"] = str(refusal.seconds)
        return response


@open_to_all("the second step of signing in; the first is in the session")
class Authenticate(Refusing, AuthenticateView):  # type: ignore[misc]
    form_class = SignInCode
    webauthn_form_class = SignInKey
    template_name = "mfa/authenticate.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        held = set(Authenticator.objects.filter(user=self.stage.login.user).values_list("type", flat=True))
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return {**context, "has_app": Authenticator.Type.TOTP in held, "has_key": Authenticator.Type.WEBAUTHN in held}


@open_to_all("a passkey is how one gets in")
class PasskeySignIn(LoginWebAuthnView):  # type: ignore[misc]
    form_class = SignInPasskey

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        throttle.attempt(f"passkeys {origin.get().place}", limit=CHALLENGES, seconds=WINDOW)
        if PROVIDED in request.session:
            # As on the page beside it: whom a tenant's provider signed in is nobody yet.
            request.user = AnonymousUser()
        response: HttpResponse = super().dispatch(request, *args, **kwargs)
        return response

    def get(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
        """The challenge, for the page's script; nothing for people."""
        if request.accepts("text/html"):
            return redirect("account_login")
        if PROVIDED not in request.session:
            request.session.set_expiry(CHALLENGE_SECONDS)
        return JsonResponse({"request_options": webauthn.begin_authentication(user=None)})

    def form_invalid(self, form: SignInPasskey) -> HttpResponse:  # noqa: ARG002
        messages.error(self.request, _("This passkey was not accepted. Try once more, or sign in with your password."))
        return redirect("account_login")

    def form_valid(self, form: SignInPasskey) -> HttpResponse:
        self.request.session.set_expiry(settings.SESSION_COOKIE_AGE)
        tell_sign_in(form.cleaned_data["credential"])
        response: HttpResponse = super().form_valid(form)
        return response


class Confirm(Refusing):
    """The same question three ways; `next` is where it was asked."""

    access = SIGNED_IN

    def form_valid(self, form: Any) -> HttpResponse:
        form.save()
        response: HttpResponse = BaseReauthenticateView.form_valid(self, form)
        return response


class ConfirmByPassword(Confirm, ByPassword):  # type: ignore[misc]
    form_class = ConfirmingPassword
    template_name = "mfa/confirm.html"


class ConfirmByCode(Confirm, ByCode):  # type: ignore[misc]
    form_class = ConfirmingCode
    template_name = "mfa/confirm.html"


class ConfirmByKey(Confirm, ByKey):  # type: ignore[misc]
    form_class = ConfirmingKey
    template_name = "mfa/confirm_key.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = BaseReauthenticateView.get_context_data(self, **kwargs)
        return {**context, "js_data": {"request_options": webauthn.begin_authentication(person(self.request))}}


# What a refused try counts must not be rolled back.
_counted = transaction.non_atomic_requests
urlpatterns = [
    path("accounts/2fa/", index, name="mfa_index"),
    path("accounts/2fa/needed/", needed, name="mfa_needed"),
    path("accounts/2fa/app/", add_app, name="mfa_activate_totp"),
    path("accounts/2fa/app/remove/", remove_app, name="mfa_deactivate_totp"),
    path("accounts/2fa/passkeys/add/", add_key, name="mfa_add_webauthn"),
    path("accounts/2fa/passkeys/<int:pk>/", rename_key, name="mfa_edit_webauthn"),
    path("accounts/2fa/passkeys/<int:pk>/remove/", remove_key, name="mfa_remove_webauthn"),
    path("accounts/2fa/codes/", codes, name="mfa_view_recovery_codes"),
    path("accounts/2fa/codes/new/", new_codes, name="mfa_generate_recovery_codes"),
    path("accounts/confirm/", _counted(signed_in(ConfirmByPassword.as_view())), name="account_reauthenticate"),
    path("accounts/confirm/code/", _counted(signed_in(ConfirmByCode.as_view())), name="mfa_reauthenticate"),
    path("accounts/confirm/passkey/", _counted(signed_in(ConfirmByKey.as_view())), name="mfa_reauthenticate_webauthn"),
]
# Nobody is signed in there yet.
entrance_urlpatterns = [
    path("accounts/2fa/authenticate/", _counted(Authenticate.as_view()), name="mfa_authenticate"),
    path("accounts/2fa/passkeys/sign-in/", _counted(PasskeySignIn.as_view()), name="mfa_login_webauthn"),
]
