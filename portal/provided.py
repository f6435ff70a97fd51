"""Signing in by a tenant's identity provider: allauth takes people there and back, keys.oidc looks at what the provider says.

What it says counts in that tenant alone, so the session that comes of it is good for that tenant alone: `User.only_in`.
"""

import secrets
from contextlib import nullcontext
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import requests
from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base import AuthError
from allauth.socialaccount.providers.oauth2.client import OAuth2Client, OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth import logout as end_session
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from requests.adapters import BaseAdapter

from keys import oidc
from keys.actions import identities
from keys.actions.identity_providers import secret_of
from keys.models import IdentityProvider
from portal.accounts import PROVIDED
from portal.kept import KEY as KEPT
from tenants.errors import NotAllowed
from tenants.models import Tenant, User
from tenants.scope import tenant_scope

# Whoever leaves the organisation is out here after so long.
SESSION_LIFE = timedelta(hours=12)
# What libraries raise where an answer is not made as they expect.
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, RecursionError)


# --- the session ------------------------------------------------------------------------------------------------------------------------


def begin(request: HttpRequest, tenant: Tenant, found: identities.Recognised) -> None:
    """In a new session: what another sign-in left in this browser is not this one's. What nobody in particular typed is."""
    typed = None if request.user.is_authenticated else request.session.get(KEPT)
    end_session(request)
    found.user.only_in = tenant.pk
    get_account_adapter(request).login(request, found.user)
    request.session[PROVIDED] = {"tenant": str(tenant.pk), "identity": str(found.identity), "era": str(found.era)}
    # A moment, not a span: that would begin anew with whatever else the session keeps.
    request.session.set_expiry(timezone.now() + SESSION_LIFE)
    if typed:
        request.session[KEPT] = typed


def who(request: HttpRequest) -> User | AnonymousUser:
    """Who is signed in, `only_in` one tenant if its provider says so; nobody any more, once that provider does not count."""
    user = get_user(request)
    mark = request.session.get(PROVIDED)
    if mark is None or not isinstance(user, User):
        return user
    user.only_in = UUID(mark["tenant"])
    with tenant_scope(user.only_in):
        if identities.goes_on(UUID(mark["identity"]), UUID(mark["era"]), user=user.pk):
            return user
    request.session.flush()
    return AnonymousUser()


# --- the calls --------------------------------------------------------------------------------------------------------------------------


class Guarded(BaseAdapter):
    """What requests calls by: public addresses alone, in bounded time and size, no redirects; see keys.fetching."""

    def send(self, request: requests.PreparedRequest, *_args: Any, **_more: Any) -> requests.Response:
        # A form's, or none: nothing is streamed to a provider.
        assert request.body is None or isinstance(request.body, str | bytes)
        body = request.body or b""
        try:
            found = oidc.call(
                request.method or "GET",
                request.url or "",
                headers={name: str(text) for name, text in request.headers.items() if name in {"Authorization", "Content-Type"}},
                body=body.encode() if isinstance(body, str) else body,
            )
        except oidc.ProviderRefused as refusal:
            raise requests.ConnectionError(str(refusal)) from None
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = found.status, request.url or "", request
        answer.headers.update({"content-type": "application/json", **found.headers})
        answer.raw, answer.encoding = BytesIO(found.body), "utf-8"
        return answer

    def close(self) -> None:
        pass


def calls() -> requests.Session:
    session = requests.Session()
    session.trust_env, session.max_redirects = False, 0
    session.mount("https://", Guarded())
    session.mount("http://", Guarded())
    return session


# --- allauth ----------------------------------------------------------------------------------------------------------------------------


class Way(OAuth2Client):  # type: ignore[misc]
    """allauth's begins the query with a question mark even where the provider's address has one (RFC 6749 §3.1)."""

    def get_redirect_url(self, authorization_url: str, scope: list[str], extra_params: dict[str, Any]) -> str:
        base, _mark, query = authorization_url.partition("?")
        _base, _mark, ours = str(super().get_redirect_url(base, scope, extra_params)).partition("?")
        return f"{base}?{query}&{ours}" if query else f"{base}?{ours}"


class AtProvider(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """Where people are sent, and what comes back. allauth's own adapter believes both."""

    client_class = Way

    @cached_property
    def openid_config(self) -> dict[str, Any]:
        try:
            return oidc.document_of(self.get_provider().app.settings["server_url"])
        except oidc.ProviderRefused as refusal:
            raise OAuth2Error(str(refusal)) from refusal

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:  # noqa: ARG002  (its signature)
        return callback_url(request.tenant)  # type: ignore[attr-defined]

    def parse_token(self, data: dict[str, Any]) -> SocialToken:
        # Used once, and kept nowhere.
        return SocialToken(token=str(data["access_token"]))

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **more: Any) -> SocialLogin:  # noqa: ARG002
        """Whom the provider vouches for; that it is the answer to this sign-in (the nonce) is seen by `pre_social_login`."""
        try:
            keys = oidc.keys_of(self.openid_config)
            issuer, now = self.openid_config["issuer"], timezone.now().timestamp()
            found = oidc.verified(more["response"]["id_token"], keys, issuer=issuer, client_id=app.client_id, now=now)
            told = {} if found.get("email") else oidc.userinfo(self.openid_config, token.token)
            claims = oidc.claims(found, told)
        except oidc.ProviderRefused as refusal:
            raise OAuth2Error(str(refusal)) from refusal
        login = SocialLogin(provider=self.get_provider(), account=SocialAccount(provider=self.provider_id, uid=claims.subject))
        login.claims = claims
        return login


class TenantProvider(OpenIDConnectProvider):  # type: ignore[misc]
    oauth2_adapter_class = AtProvider


class Adapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """The one provider that there is for a request is its tenant's."""

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> TenantProvider:
        return TenantProvider(request, app=self.get_app(request, provider, client_id))

    def list_apps(self, request: HttpRequest, provider: str | None = None, client_id: str | None = None) -> list[SocialApp]:  # noqa: ARG002
        tenant: Tenant | None = getattr(request, "tenant", None)
        found = provider_of(tenant) if tenant is not None and provider in {None, str(tenant.pk)} else None
        if tenant is None or found is None:
            return []
        app = SocialApp(provider="openid_connect", provider_id=str(tenant.pk), name=tenant.name, client_id=found.client_id)
        app.secret = secret_of(found)
        app.settings = {"server_url": found.issuer, "oauth_pkce_enabled": True}
        return [app]

    def get_requests_session(self) -> requests.Session:
        return calls()

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """In place of allauth's tables: who this is in the tenant, and a session that is good there."""
        if not oidc.same(sociallogin.claims.nonce, (sociallogin.state.get("data") or {}).get("nonce", "")):
            raise OAuth2Error(_("The provider's answer belongs to another sign-in."))
        tenant: Tenant = request.tenant  # type: ignore[attr-defined]
        try:
            with tenant_scope(tenant.pk):
                found = identities.recognise(sociallogin.claims)
        except NotAllowed as refusal:
            raise ImmediateHttpResponse(refused(request, str(refusal), status=403)) from None
        begin(request, tenant, found)
        raise ImmediateHttpResponse(HttpResponseRedirect(_within(tenant, sociallogin.state.get("next") or "")))

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,  # noqa: ARG002
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        raise ImmediateHttpResponse(refused(request, _why(request, error, exception, extra_context or {})))


def _why(request: HttpRequest, error: str | None, exception: Exception | None, context: dict[str, Any]) -> str:
    if "state" not in context and "callback_view" in context:
        return _("This sign-in was begun in another browser, took more than ten minutes, or was finished already. Begin anew.")
    if error == AuthError.CANCELLED:
        return _("The provider did not let you in, or you broke off there.")
    if isinstance(exception, OAuth2Error) and "Error retrieving access token" in str(exception):
        return _("The provider did not take Portico's client id and secret, or the sign-in was used already.")
    if isinstance(exception, requests.RequestException) and not isinstance(exception, requests.ConnectionError):
        return _unreadable()
    if exception is not None:
        return str(exception)
    code = request.GET.get("error", "")
    said = _("The provider answered with an error: %(code)s.") if code.replace("_", "").isalnum() and len(code) <= 60 else ""
    return said % {"code": code} if said else _("The provider answered with an error.")


def _unreadable() -> str:
    return _("The provider answered with something that can't be read.")


def refused(request: HttpRequest, why: str, *, status: int = 401) -> HttpResponse:
    """Why nobody is signed in, and the ways on."""
    tenant: Tenant = request.tenant  # type: ignore[attr-defined]
    return render(request, "account/provider_refused.html", {"at": tenant, "why": why, "final": status == 403}, status=status)


def provider_of(tenant: Tenant) -> IdentityProvider | None:
    """By which people sign in to the tenant just now."""
    if tenant.status != Tenant.Status.ACTIVE:
        return None
    with tenant_scope(tenant.pk):
        return IdentityProvider.objects.filter(enabled=True).first()


def sign_in_url(tenant: Tenant) -> str:
    return settings.PORTAL_URL + reverse("sign-in", args=[tenant.slug])


def callback_url(tenant: Tenant) -> str:
    """What is registered at the provider: each tenant's own, so that no provider's answer passes for another's (RFC 9700 §4.4.2)."""
    return settings.PORTAL_URL + reverse("sign-in-callback", args=[tenant.slug])


def lead_there(request: HttpRequest, tenant: Tenant, *, onward: str) -> HttpResponse:
    """To the provider, with a state, a nonce and a PKCE challenge that wait in the session.

    :raises SocialApp.DoesNotExist: there is no provider here. :raises Busy: many are on the way.
    """
    nonce = secrets.token_urlsafe(32)
    provider = Adapter(request).get_provider(request, str(tenant.pk))
    try:
        with nullcontext() if oidc.is_known(provider.app.settings["server_url"]) else oidc.one_of_few(tenant.pk):
            answer: HttpResponse = provider.redirect(
                request, "login", next_url=_within(tenant, onward), data={"nonce": nonce}, auth_params={"nonce": nonce}
            )
    except OAuth2Error as error:
        return refused(request, str(error))
    except UNREADABLE:
        return refused(request, _unreadable())
    return answer


def brought_back(request: HttpRequest, tenant: Tenant) -> HttpResponse:
    """What the provider sent the browser back with: a session, or a page that says why not.

    :raises SocialApp.DoesNotExist: there is no provider here. :raises Busy: many are on the way.
    """
    found = provider_of(tenant)
    if found and request.GET.get("iss", found.issuer) != found.issuer:
        # A provider that names itself beside the code is this one (RFC 9207); no other's code is sent to it.
        return refused(request, _("The provider's answer is another issuer's."))
    try:
        with oidc.one_of_few(tenant.pk):
            answer: HttpResponse = OAuth2CallbackView.adapter_view(AtProvider(request, str(tenant.pk)))(request)
    except OAuth2Error as error:
        return refused(request, str(error))
    except UNREADABLE:
        return refused(request, _unreadable())
    return answer


def _within(tenant: Tenant, onward: str) -> str:
    """An address of ours, in the tenant: nowhere else is the session good for anything."""
    home = reverse("catalogue", args=[tenant.slug])
    path = unquote(urlsplit(onward).path)
    # Browsers take dots, also written as %2e, and backslashes for steps on the way.
    steps_away = "\\" in path or {".", ".."} & set(path.split("/"))
    return onward if onward.startswith(home) and not steps_away else home
