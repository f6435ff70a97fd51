"""An API in the catalogue: what it is, and how it is called. The list of them: portal.pages.catalogue_list."""

import json
from typing import Any
from urllib.parse import quote, urlsplit

from csp.decorators import csp_update
from django.conf import settings
from django.db.models import QuerySet, Value
from django.db.models.functions import Concat
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apis import origins, reference
from apis.actions import ai_models, content_logging
from apis.examples import is_json
from apis.models import LARGE, LIVE_LARGE, Api, ApiVersion, Plan, Revision, Subscription
from gateway import domains, groups
from gateway.models import DEFAULT_NAME
from keys import tokens
from keys.models import Application
from portal import ai_samples, samples
from portal.pages import change_log, consent, tools, try_form, uptime
from portal.pages.listing import chosen, sought
from portal.pages.providers import price
from tenants.access import TenantRequest, tenant_view
from tenants.models import User

# As their own names are.
FORMATS = {"openai": "OpenAI", "anthropic": "Anthropic"}

_Status = Subscription.Status
TABS = ("overview", "reference", "plans", "changes")
# So many operations of a long list are drawn; searching finds the others.
OPERATIONS_SHOWN = 100
OPERATIONS_SEARCHED = 12
# In place of the client id, for who has no subscribed application yet.
NO_CLIENT = "YOUR_CLIENT_ID"


def offered(request: TenantRequest) -> QuerySet[Api]:
    """What the catalogue shows to this person, to publishers too: what is still being made stands in their console."""
    return Api.objects.readable_by(request.user, request.permissions)


def versions_of(api: Api) -> list[ApiVersion]:
    """Those that can be called, the newest last."""
    return list(api.versions.offered().select_related("successor", "live_revision").defer(*LIVE_LARGE).order_by("id"))


def plans_of(request: TenantRequest, api: Api) -> QuerySet[Plan]:
    """Those that this person may ask for."""
    return api.plans.offered().visible_to(request.user, request.permissions).order_by("id")


def own_subscriptions(api: Api, user: User) -> list[Subscription]:
    """The last of each of a person's applications to this API, those in force first."""
    mine = Subscription.objects.owned_by(user).exclude(application__status=Application.Status.DELETED)
    last = mine.filter(api=api).order_by("application", "-id").distinct("application")
    order = [_Status.ACTIVE, _Status.SUSPENDED, _Status.PENDING, _Status.REJECTED, _Status.CANCELLED]
    return sorted(last.select_related("application", "plan"), key=lambda each: (order.index(_Status(each.status)), each.pk))


@tenant_view("apis.see_published", public=True)
@require_safe
def catalogue_api(request: TenantRequest, api: str) -> HttpResponse:
    """One API: what it is, its operations, its plans, and a call that works."""
    found = get_object_or_404(offered(request), slug=api)
    versions = versions_of(found)
    version = chosen_version(request, versions)
    tab = chosen(request, "tab", [*TABS]) or "overview"
    plans = list(plans_of(request, found))
    owns = "applications.own" in request.permissions
    addresses = addresses_of(request, found, version)
    mine = own_subscriptions(found, request.user) if owns else []
    context: dict[str, Any] = {
        "api": found,
        "versions": versions,
        "version": version,
        "tab": tab,
        "plans": plans,
        "begins": any(each.status in ApiVersion.BEGINNING for each in versions),
        "owns": owns,
        "mine": mine,
        "address": addresses[0][1],
        "addresses": addresses,
        "documents": settings.PORTAL_URL + reverse("catalogue-document-json", args=[request.tenant.slug, found.slug, version.name]),
    }
    if tab == "changes":
        context["page"], context["told"] = change_log.page(request, found)
    elif tab == "plans":
        # Those that are going, for who has them.
        held = {each.plan for each in mine if each.status in Subscription.OPEN}
        context["going"] = sorted((each for each in held if each.status == Plan.Status.DEPRECATED), key=lambda each: each.pk)
    else:
        context |= _told(request, found, version, mine, at=addresses[0][1], all_of_it=tab == "reference")
    if tab == "overview":
        context["agents"] = tools.for_agents(version, addresses[0][1])
    if tab == "overview" and found.is_ai:
        context |= _of_ai(found, addresses[0][1], context["caller"])
        context |= _kept(found)
    if tab == "overview" and not version.is_mock:
        context["uptime"] = uptime.of(version)
    answer = render(request, f"catalogue/{tab}.html", context)
    if context.get("trying"):
        # This page calls the gateway, and no other does.
        csp_update({"connect-src": [origins.of_address(context["address"])]})(lambda _: answer)(request)
    # Programs find the document by it (RFC 8631).
    answer["Link"] = f'<{context["documents"]}>; rel="service-desc"; type="application/json"'
    return answer


def chosen_version(request: TenantRequest, versions: list[ApiVersion]) -> ApiVersion:
    """
    :raises Http404: the address names one that can't be called.
    """
    name = request.GET.get("version", "")
    if not name:
        # The newest of those that one may begin with, for who names none.
        return next((each for each in reversed(versions) if each.status == ApiVersion.Status.PUBLISHED), versions[-1])
    version = next((each for each in versions if each.name == name), None)
    if version is None:
        raise Http404
    return version


def address_of(request: TenantRequest, api: Api, version: ApiVersion) -> str:
    """Where gateways answer."""
    return addresses_of(request, api, version)[0][1]


def addresses_of(request: TenantRequest, api: Api, version: ApiVersion) -> list[tuple[str, str]]:
    """Under the tenant's own host first, where it has one; then where the gateways of each of its groups answer, the default one's before
    others. Each with the host's name, or the group's, before it."""
    found = sorted(groups.addresses(api), key=lambda each: (each[0] != DEFAULT_NAME, each[0]))
    bases = [(name, f"{url}/{request.tenant.slug}") for name, url in found]
    if own := domains.own_address():
        # It stands for the gateways' common name; other groups' gateways have addresses of their own.
        bases = [(urlsplit(own).hostname or "", own), *(each for each in bases if each[0] != DEFAULT_NAME)]
    return [(name, f"{base}/{api.slug}/{quote(version.name)}") for name, base in bases]


def token_url(request: TenantRequest) -> str:
    """Where its callers ask for tokens."""
    return f"{tokens.issuer(settings.PORTAL_URL, request.tenant.slug)}/oauth/token"


def _told(request: TenantRequest, api: Api, version: ApiVersion, mine: list[Subscription], *, at: str, all_of_it: bool) -> dict[str, Any]:
    """What a version's document says: the operations, the one that was chosen, and a call of it."""
    revision = Revision.objects.defer(*LARGE).get(live_in=version)
    # As rows: there may be thousands, and of most of them only a line is shown.
    names = ("operation_id", "method", "path", "summary", "deprecated", "tag")
    rows = revision.operations.order_by("id").values_list(*names, named=True)
    wanted = request.GET.get("operation")
    operation: Any = (rows.filter(operation_id=wanted) if wanted else rows).first() or rows.first()
    document = revision.about(operation.path)
    described = reference.describe(document, operation, gettext=_)
    callers = [each for each in mine if each.status in Subscription.OPEN]
    caller = next((each for each in callers if str(each.application_id) == request.GET.get("as")), callers[0] if callers else None)
    told: dict[str, Any] = {
        "description": api.description or document["info"].get("description", ""),
        "scopes": revision.scopes,
        "operation": described,
        "callers": callers,
        "caller": caller,
    }
    if described is not None:
        told["samples"] = samples.samples(_call(request, at, described, caller))
    if all_of_it:
        q = sought(request)
        line = Concat("method", Value(" "), "path", Value(" "), "summary")
        matching = rows.alias(line=line).filter(line__icontains=q) if q else rows
        shown = list(matching[:OPERATIONS_SHOWN])
        cut = len(shown) == OPERATIONS_SHOWN
        if cut and wanted == operation.operation_id and operation not in shown and not q:
            shown.append(operation)
        told |= {
            "others": _but(request, "operation"),
            "groups": reference.groups(document, shown),
            "left_out": matching.count() - len(shown) if cut else 0,
            "searched": q or len(shown) > OPERATIONS_SEARCHED,
            "q": q,
        }
        if described is not None:
            told |= _tried(api, described, mine)
    return told


def _of_ai(api: Api, at: str, caller: Subscription | None) -> dict[str, Any]:
    """Of an AI API, what one may ask for, and how with the SDKs that there are."""
    found = ai_models.catalogue_of(api)
    only, most = (caller.plan.models, caller.plan.max_tokens) if caller else ([], None)
    shown = [_shown(each) for each in found if not only or each["name"] in only]
    return {"models": shown, "samples": ai_samples.samples(ai_samples.asked(at, found, only=only, most=most))}


def _kept(api: Api) -> dict[str, Any]:
    """What it keeps of calls, where it keeps some."""
    logging = content_logging.in_force(api)
    return {"logging": logging, "kept": consent.sentence(logging)} if logging else {}


def _shown(model: dict[str, Any]) -> dict[str, Any]:
    """A model as the page has it."""
    formats = [FORMATS[each] for each in model["formats"]]
    return {**model, "alias": model["answers"] != [model["name"]], "formats": formats, **_prices(model)}


def _prices(model: dict[str, Any]) -> dict[str, str]:
    return {name: price(model[name]) for name in ("input", "output")}


def _but(request: TenantRequest, name: str) -> str:
    """The page's query without this parameter, for it to be added."""
    query = request.GET.copy()
    query.pop(name, None)
    return f"?{query.urlencode()}&" if query else "?"


def _tried(api: Api, operation: reference.Operation, mine: list[Subscription]) -> dict[str, Any]:
    """How it is tried from the page, by those of the reader's applications that may call it now."""
    return {
        "trying": [each for each in mine if each.status == _Status.ACTIVE and each.application.status == Application.Status.ACTIVE],
        "blanks": try_form.blanks(operation, names_origins=bool(api.cors_origins)),
        "body_type": _media_type(operation.body) if operation.body and operation.method not in {"GET", "HEAD"} else "",
        "asks": operation.method not in try_form.SAFE,
    }


def _call(request: TenantRequest, base: str, operation: reference.Operation, caller: Subscription | None) -> samples.Call:
    """The operation as this caller would call it: with what must be given, filled in by examples."""
    needed = [each for each in operation.parameters if each.required]
    return samples.Call(
        token_url=token_url(request),
        client_id=caller.application.client_id if caller else NO_CLIENT,
        method=operation.method,
        url=samples.address(
            base,
            operation.path,
            path_values={each.name: _example(each) for each in operation.parameters if each.where == "path"},
            query=[(each.name, _example(each)) for each in needed if each.where == "query"],
        ),
        headers=tuple((each.name, samples.told(_example(each))) for each in needed if each.where == "header"),
        body=_body(operation.body),
    )


def _example(parameter: reference.Parameter) -> Any:
    return json.loads(parameter.example) if parameter.example else None


def _body(body: reference.Body | None) -> samples.Body | None:
    if body is None or not body.example:
        return None
    return samples.Body(_media_type(body), json.loads(body.example) if is_json(body.media_type) else body.example)


def _media_type(body: reference.Body) -> str:
    """One that can be sent, where the document has a range (OpenAPI 3.1.1 §4.8.14)."""
    if "*" not in body.media_type:
        return body.media_type
    return samples.JSON if is_json(body.media_type) else "text/plain"


urlpatterns = [path("t/<str:tenant>/apis/<str:api>/", catalogue_api, name="catalogue-api")]
