"""How an application proves itself: add a credential, roll it, end it.

A secret or an API key stands in the answer to the POST that made it, and nowhere after that.
"""

import shlex
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from apis.actions import ai_models
from apis.models import ApiVersion, Operation, Subscription
from gateway import domains, groups
from gateway.models import GatewayNode, serving
from keys import revocable, tokens
from keys.actions import credentials
from keys.actions.credentials import ROLLABLE
from keys.fetching import fetch_jwks
from keys.jwks import JwksRefused
from keys.models import Application, Credential
from portal import ai_samples, samples
from portal.forms import OptionalReasonForm, PageForm
from portal.kept import given
from portal.pages import asking
from portal.pages.application_tabs import page_address
from portal.pages.applications import own
from portal.pages.credential_forms import FORMS, EndForm, RollForm
from portal.pages.credential_kinds import WORDS, named
from portal.pages.listing import chosen
from tenants.access import TenantRequest, tenant_view
from tenants.errors import Invalid
from tenants.models import User

Kind, Status = Credential.Kind, Credential.Status
# A credential, and its secret or API key, "" where it has none.
Made = tuple[Credential, str]


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: TenantRequest, pk: UUID) -> HttpResponse:
    """One more credential for one's own application: first of which kind, then what that kind needs."""
    application = get_object_or_404(own(request), pk=pk)
    kind = chosen(request, "kind", Kind.values)
    back = page_address(request, application)
    if not kind:
        return render(request, "applications/credential_kind.html", {"application": application, "kinds": WORDS.items(), "back": back})
    form = FORMS[kind](given(request))
    words = WORDS[kind]
    more = {"kind": kind, "words": words, "title": words.new % {"application": application}, "pair": samples.KEY_PAIR}
    make = partial(_make, application, kind, form, by=request.user)
    return _made_once(request, application, form, make, template="applications/credential_new.html", more=more)


def _make(application: Application, kind: str, form: PageForm, typed: dict[str, Any], *, by: User) -> Made:
    label, ends = typed["label"], form.expires_at if isinstance(form, EndForm) else None
    match kind:
        case Kind.API_KEY:
            return credentials.create_api_key(application, by=by, label=label, expires_at=ends)
        case Kind.KEY_PAIR:
            return credentials.add_key_pair(application, by=by, label=label, jwks=typed["jwks"], expires_at=ends), ""
        case Kind.ISSUER:
            jwks = typed["jwks"] or _fetched(typed["jwks_url"])
            what = {name: typed[name] for name in ("label", "issuer", "claim_value", "jwks_url")}
            return credentials.trust_issuer(application, by=by, jwks=jwks, claim=typed["claim_name"], **what), ""
    return credentials.create_credential(application, by=by, label=label, expires_at=ends)


def _fetched(address: str) -> dict[str, Any]:
    try:
        return fetch_jwks(address)
    except JwksRefused as refusal:
        raise Invalid({"jwks_url": [_(refusal.sentence) % refusal.named]}) from None


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def roll(request: TenantRequest, pk: UUID, credential: UUID) -> HttpResponse:
    """A new secret or API key in place of one; the old one works on for a grace."""
    application = get_object_or_404(own(request), pk=pk)
    rolled = get_object_or_404(_used(application), pk=credential)
    if rolled.kind not in ROLLABLE:
        messages.info(request, _("Only secrets and API keys can be rolled. Add another credential, then revoke this one."))
        return redirect(page_address(request, application))
    if request.method != "POST" and rolled.status != Status.ACTIVE:
        messages.info(request, _("Only what is active can be rolled; this one is not active any more."))
        return redirect(page_address(request, application))
    form = RollForm(rolled, given(request))
    words, names = WORDS[rolled.kind], {"named": named(rolled), "application": application}
    more = {"title": words.roll % names, "says": words.rolling % names, "note": _note(rolled)}

    def make(typed: dict[str, Any]) -> Made:
        return credentials.roll(rolled, grace=typed["grace"], by=request.user)

    return _made_once(request, application, form, make, template="applications/credential_roll.html", more=more)


def _used(application: Application) -> QuerySet[Credential]:
    return revocable.with_use(application.credentials.select_related("application"))


def _made_once(
    request: TenantRequest,
    application: Application,
    form: PageForm,
    make: Callable[[dict[str, Any]], Made],
    *,
    template: str,
    more: dict[str, Any],
) -> HttpResponse:
    """The form; its POST is answered with what was made, once. Sent again, or reloaded, it makes nothing and says so."""
    back = page_address(request, application)
    if done := asking.carried_out(request, form, make):
        return _shown(request, application, *done.result, back)
    page = "applications/shown_before.html" if form.sent_before else template
    return render(request, page, {"application": application, "form": form, "back": back, **more}, status=form.http_status)


def _shown(request: TenantRequest, application: Application, credential: Credential, secret: str, back: str) -> HttpResponse:
    operation = _first_call(application)
    of_ai = _of_ai(request, operation, application, secret) if credential.kind == Kind.API_KEY else []
    context = {
        "application": application,
        "credential": credential,
        "words": WORDS[credential.kind],
        "secret": secret,
        "samples": of_ai,
        "sample": None if of_ai else _sample(request, credential, secret, operation),
        "called": str(operation.revision.version) if operation else "",
        "audience": tokens.issuer(settings.PORTAL_URL, request.tenant.slug),
        "back": back,
    }
    answer = render(request, "applications/made.html", context)
    answer["Cache-Control"] = "private, no-store"
    return answer


def _sample(request: TenantRequest, credential: Credential, secret: str, operation: Operation | None) -> samples.Sample | None:
    """How it is used, to be pasted as it stands: as far as a first call, where there is something to call."""
    call = _call(request, credential.application, operation)
    match credential.kind:
        case Kind.API_KEY:
            return _shell(f"KEY={shlex.quote(secret)}\n{samples.curl_by_api_key(call)}") if call.url else None
        case Kind.KEY_PAIR:
            assert credential.jwks is not None
            key = credential.jwks["keys"][0]
            issuer = tokens.issuer(settings.PORTAL_URL, request.tenant.slug)
            return samples.Sample(
                "python", "Python", "python", samples.python_by_key_pair(call, issuer=issuer, kid=key["kid"], alg=key["alg"])
            )
        case Kind.ISSUER:
            return _shell(f"ASSERTION=$(cat token.jwt)\n{samples.curl_by_assertion(call)}")
    return _shell(f"SECRET={shlex.quote(secret)}\n{samples.curl(call)}")


def _of_ai(request: TenantRequest, operation: Operation | None, application: Application, secret: str) -> list[samples.Sample]:
    """Calls of an AI API with the key that was just made, by the SDKs that there are; none where it calls another one."""
    if operation is None or not operation.revision.version.api.is_ai:
        return []
    api = operation.revision.version.api
    held = Subscription.objects.filter(application=application, api=api, status=Subscription.Status.ACTIVE).select_related("plan").first()
    address = _call(request, application, operation).url.removesuffix(operation.path)
    only, most = (held.plan.models, held.plan.max_tokens) if held else ([], None)
    return ai_samples.samples(ai_samples.asked(address, ai_models.catalogue_of(api), only=only, most=most, key=secret))


def _shell(text: str) -> samples.Sample:
    return samples.Sample("curl", "curl", "bash", text)


def _call(request: TenantRequest, application: Application, operation: Operation | None) -> samples.Call:
    token_url, url = f"{tokens.issuer(settings.PORTAL_URL, request.tenant.slug)}/oauth/token", ""
    if operation is not None:
        version = operation.revision.version
        base = domains.own_address() or f"{groups.base_of(version.api)}/{request.tenant.slug}"
        base = f"{base}/{version.api.slug}/{version.name}"
        url = samples.address(base, operation.path, path_values={})
    return samples.Call(token_url=token_url, client_id=application.client_id, method="GET", url=url)


def _first_call(application: Application) -> Operation | None:
    """The plainest operation that the application may call: a GET, if there is one whose path needs nothing filled in."""
    held = Subscription.objects.filter(application=application, status=Subscription.Status.ACTIVE)
    live = ApiVersion.objects.offered().filter(api__in=held.values("api"))
    found = Operation.objects.filter(revision__in=live.values("live_revision"), method="GET")
    found = found.select_related("revision__version__api").defer("revision__document")
    needs_more = ExpressionWrapper(Q(path__contains="{"), BooleanField())
    return found.order_by(needs_more.asc(), "deprecated", "revision_id", "path").first()


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: TenantRequest, pk: UUID, credential: UUID) -> HttpResponse:
    """Ask, then end a credential now: of one's own application, or anybody's for who may."""
    mine = own(request)
    anybodys = Application.objects.visible_to(request.user, request.permissions)
    application = get_object_or_404(anybodys if "applications.revoke_any" in request.permissions else mine, pk=pk)
    ended = get_object_or_404(_used(application), pk=credential)
    words, names = WORDS[ended.kind], {"application": application, "named": named(ended)}
    question = asking.Question(
        title=words.revoke % names,
        says=_what_revoking_does(ended, application),
        note=_note(ended),
        button=_("Revoke it now"),
        back=page_address(request, application),
        done=words.revoked % names,
        danger=True,
    )
    form = OptionalReasonForm(given(request))
    return asking.ask(request, question, form, lambda data: credentials.revoke(ended, by=request.user, reason=data["reason"]))


def _what_revoking_does(credential: Credential, application: Application) -> str:
    if credential.status not in {Status.ACTIVE, Status.EXPIRING}:
        return _("This credential has ended already.")
    many = GatewayNode.objects.connected().filter(serving()).count()
    said = ngettext(
        "%(application)s's calls with it are refused on %(many)s gateway within a second.",
        "%(application)s's calls with it are refused on %(many)s gateways within a second.",
        many,
    )
    if not many:
        said = _("%(application)s's calls with it are refused; no gateway is connected now, and each learns it when it connects.")
    others = application.credentials.usable().exclude(pk=credential.pk).exists()
    after = _("Its other credentials work on.") if others else _("It has no other credential, so it can't call anything after that.")
    return f"{said % {'application': application, 'many': many}} {after}"


def _note(credential: Credential) -> asking.Note | None:
    """Whether anybody would miss it."""
    found = revocable.verdict(credential, revocable.Use.of(credential), now=timezone.now())
    if found is None:
        return None
    said = _("Safe to revoke? %(answer)s. %(because)s")
    tone = "wait" if found.level == revocable.Level.USED_LATELY else ""
    return asking.Note(said % {"answer": found.level.label, "because": found.sentence}, tone)


urlpatterns = [
    path("t/<str:tenant>/apps/<uuid:pk>/credentials/new/", new, name="app-credential-new"),
    path("t/<str:tenant>/apps/<uuid:pk>/credentials/<uuid:credential>/roll/", roll, name="app-credential-roll"),
    path("t/<str:tenant>/apps/<uuid:pk>/credentials/<uuid:credential>/revoke/", revoke, name="app-credential-revoke"),
]
