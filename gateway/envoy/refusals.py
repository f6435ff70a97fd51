"""Why a call was refused, as `application/problem+json` (RFC 9457) with a stable code. docs/refusals.md explains each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.core.v3 import base_pb2, substitution_format_string_pb2
from envoy.extensions.access_loggers.filters.cel.v3 import cel_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from google.protobuf import struct_pb2, wrappers_pb2
from google.protobuf.json_format import MessageToDict

from gateway.envoy.credentials import API_KEY_HEADER, BEARER
from gateway.envoy.extensions import packed
from gateway.envoy.mcp import challenge
from gateway.envoy.names import (
    BLOCKED_PREFIX,
    BROWN_OUT_PREFIX,
    CANARY_PATH,
    CLOSED,
    CONFIGURATION,
    CONFIGURATION_HEADER,
    DRAINING,
    MCP_PREFIX,
    MODELS,
    NO_ROUTE,
    OF_AI,
    OTHER_HOST,
    OWN_MCP_PREFIX,
    PORTICO,
    RBAC,
    REFUSAL_HEADER,
    RETIRED,
    SUSPENDED,
    TOO_OLD_PREFIX,
    UNTIL_PREFIX,
    WRONG_METHOD,
)
from gateway.envoy.rbac import decided


def _(sentence: str) -> str:
    """Marks a sentence for translation: gateways answer in English, pages in the reader's language."""
    return sentence


@dataclass(frozen=True, slots=True)
class Refusal:
    """:param when: a CEL expression over Envoy's attributes that tells this refusal apart. :param challenge: the header WWW-Authenticate.

    :param retry: the header Retry-After. :param more: further headers. :param told: what stands in place of the sentence in the answer.
    """

    code: str
    status: int
    sentence: str
    fix: str
    when: str
    challenge: str = ""
    retry: str = ""
    more: tuple[tuple[str, str], ...] = ()
    told: str = ""


def _says(text: str) -> str:
    return f'response.code_details.contains("{text}")'


def _on(route: str) -> str:
    return f'xds.route_name == "{route}"'


def _among(prefix: str) -> str:
    """The operation would answer, but for what stands in its place; whoever may not call it hears of that first."""
    return f'xds.route_name.startsWith("{prefix}") && {_says("cluster_not_found")}'


def _named(code: str) -> str:
    """A denial by an RBAC filter whose policy or action bears the code: Envoy puts its name in brackets."""
    return _says(f"[{code}]")


def _by_script(code: str) -> str:
    """A script says which code it means in the header, and Envoy that it was a script."""
    return f'response.code_details.startsWith("lua") && response.headers["{REFUSAL_HEADER}"] == "{code}"'


def _denied(code: str, status: int, sentence: str, fix: str, challenge: str = "") -> Refusal:
    return Refusal(code, status, sentence, fix, _named(code), challenge)


def _limited(code: str, sentence: str, fix: str) -> Refusal:
    """By a bucket that is not the caller's own. Envoy says the same of each, so the step itself names the code in the header."""
    return Refusal(code, 429, sentence, fix, f'{_says("local_rate_limited")} && response.headers["{REFUSAL_HEADER}"] == "{code}"')


# Whose route is one of an AI API. What has no such metadata makes an error of it, which is a no.
_AMONG_MODELS = f'xds.route_metadata.filter_metadata["{PORTICO}"]["{MODELS}"] != ""'
_OF_AI = f'xds.route_metadata.filter_metadata["{PORTICO}"]["{OF_AI}"] == "yes"'
# What jwt_authn says of an expired token it says of an API key, too.
_SENDS_A_KEY = f'("{API_KEY_HEADER}" in request.headers || request.headers["authorization"].startsWith("{BEARER}ptc_"))'


# When a period ends, as a date (RFC 9110 §10.2.3).
_AGAIN = f"%DYNAMIC_METADATA({RBAC}:{decided(UNTIL_PREFIX)})%"


# Some steps name their code by themselves.
_INSTEAD = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
# The first that fits answers.
REFUSALS: tuple[Refusal, ...] = (
    _denied("HOST_UNKNOWN", 421, _("This gateway does not answer for the host that the call names."), _("Call the address that the portal shows for the API.")),
    Refusal("DRAINING", 503, _("This gateway takes no more calls."), _("Call another gateway; load balancers ask here whether they may send calls."), _on(DRAINING)),
    Refusal("TENANT_SUSPENDED", 403, _("This tenant is suspended, or is closing."), _("Nothing of it can be called meanwhile; its admins see the reason in the portal."), _on(SUSPENDED)),
    _denied("NOT_READY", 503, _("This gateway does not know this tenant, or has not loaded it yet."), _("Check the address. If it is right, try again in a second.")),
    _denied("TOKEN_WRONG_KIND", 401, _("This is not an access token for calling APIs."), _("Ask the tenant's token endpoint for an access token and send that.")),
    _denied("TOKEN_WRONG_AUDIENCE", 401, _("This token was issued for something else."), _("Ask the token endpoint of the tenant that owns the API.")),
    _denied("TOKEN_REVOKED", 401, _("This token was revoked, or the credential that earned it."), _("Ask for a token with a credential that still works.")),
    _denied("KEY_UNKNOWN", 401, _("This tenant has no such API key."), _("Make a new API key at your application.")),
    _denied("KEY_REVOKED", 401, _("This API key was revoked."), _("Use the key that replaced it, or make a new one at your application.")),
    Refusal("KEY_EXPIRED", 401, _("This API key has expired."), _("Make a new API key at your application."), f"{_named('KEY_EXPIRED')} || ({_says('Jwt_is_expired')} && {_SENDS_A_KEY})"),
    _denied("IP_DENIED", 403, _("This API takes no calls from the address that this one came from."), _("Call from a network that the API's publisher lets in, or ask them; behind a proxy, its address counts.")),
    _denied("APPLICATION_SUSPENDED", 403, _("Your application is suspended."), _("Read at the application who suspended it and why; they, or the tenant's approvers, can resume it.")),
    _denied("SUBSCRIPTION_PENDING", 403, _("Your application's subscription waits for an approver."), _("Wait for the decision, or ask the tenant's approvers.")),
    _denied("SUBSCRIPTION_SUSPENDED", 403, _("Your application's subscription is suspended."), _("Read the reason at the subscription and ask the tenant's approvers.")),
    _denied("SUBSCRIPTION_REJECTED", 403, _("Your application's request for this API was rejected."), _("Read the reason at the subscription; you may ask again.")),
    _denied("SUBSCRIPTION_CANCELLED", 403, _("Your application's subscription was cancelled."), _("Subscribe the application again.")),
    _denied("SUBSCRIPTION_EXPIRED", 403, _("Your application's subscription has ended."), _("Subscribe the application again; what ends can be renewed before it does.")),
    _denied("SUBSCRIPTION_NOT_STARTED", 403, _("Your application's subscription has not started yet."), _("The application's page says from when on its calls pass.")),
    _denied("SUBSCRIPTION_REQUIRED", 403, _("Your application has no subscription to this API."), _("Subscribe the application to the API.")),
    _denied("SCOPE_NOT_IN_PLAN", 403, _("Your subscription's plan does not include what the operation needs."), _("Ask for a plan that includes the operation's scopes; the API's page lists its plans.")),
    _denied("SCOPE_MISSING", 403, _("This token lacks a scope that the operation needs."), _("Look up the operation's scopes in the API's document and ask the token endpoint for a token with them."), 'Bearer error="insufficient_scope"'),
    Refusal("QUOTA_EXCEEDED", 429, _("Your plan's quota for this period is used up."), _("Wait until the time that Retry-After names, or ask the tenant's approvers for more calls."), _named("QUOTA_EXCEEDED"), retry=_AGAIN),
    Refusal("BUDGET_EXCEEDED", 429, _("The budget for this period is used up."), _("Wait until the time that Retry-After names, or ask the tenant's approvers for more."), _named("BUDGET_EXCEEDED"), retry=_AGAIN, more=(("x-should-retry", "false"),)),
    Refusal("TOKEN_EXPIRED", 401, _("This token has expired."), _("Ask the token endpoint for a new one."), _says("Jwt_is_expired")),
    Refusal("TOKEN_MISSING", 401, _("Send an access token or an API key in the header Authorization: Bearer."), _("Get a token from the tenant's token endpoint, or make an API key at your application; a key may come in X-API-Key, too."), _says("Jwt_is_missing")),
    Refusal("TOKEN_INVALID", 401, _("This token or API key is not valid here."), _("Check that it is whole, and that it comes from this tenant."), _says("jwt_authn_access_denied")),
    Refusal("TOKEN_INVALID", 400, _("The call brings two credentials."), _("Send an access token or an API key, and either Authorization or X-API-Key."), _named("TWO_CREDENTIALS")),
    _denied("REQUEST_TOO_LARGE", 413, _("The call's body is larger than this API takes."), _("Send less at once; the API's document or its publisher says how much it takes.")),
    _denied("LENGTH_REQUIRED", 411, _("This API limits the size of calls, and this call does not say how long its body is."), _("Send the header Content-Length and not Transfer-Encoding: chunked; 0 where there is no body.")),
    _limited("ADDRESS_LIMITED", _("More calls come from your address than a gateway takes from one."), _("Wait as long as Retry-After says, and call more slowly; behind a proxy its address counts, for all who share it.")),
    _limited("API_LIMITED", _("This API takes no more calls for now, from whomever they come."), _("Wait as long as Retry-After says; if it stays, ask the API's publisher.")),
    _limited("TENANT_LIMITED", _("This tenant's APIs take no more calls together for now."), _("Wait as long as Retry-After says; if it stays, tell the tenant's admins, who can ask the operator.")),
    _limited("TOKENS_LIMITED", _("Your plan's tokens a minute are used up."), _("Wait as long as Retry-After says, ask for fewer tokens at once, or for a larger plan.")),
    Refusal("RATE_LIMITED", 429, _("Your plan's limit is reached."), _("Wait as long as Retry-After says, or ask for a larger plan."), _says("local_rate_limited")),
    Refusal("API_RETIRED", 410, _("This version of the API is retired."), _("Move to the version that the header Link names as successor-version, or ask the API's publisher."), _on(RETIRED)),
    Refusal("API_BLOCKED", 503, _("This version of the API is blocked for now."), _("Its publisher has to unblock it; the reason stands at the API in the portal."), _among(BLOCKED_PREFIX)),
    Refusal("BROWN_OUT", 503, _("This version of the API is going, and a brown-out was planned for now."), _("Move to its successor before the date in the header Sunset; the portal says when the brown-out ends."), _among(BROWN_OUT_PREFIX)),
    Refusal("GATEWAY_TOO_OLD", 503, _("This gateway's Envoy is too old for APIs of AI models."), _("Call another gateway, or ask the operator to bring this one up to date."), _among(TOO_OLD_PREFIX)),
    Refusal("MODEL_UNKNOWN", 404, _("This API has no such model here."), _("Ask GET /models which there are, and name one of them as model."), f"{_AMONG_MODELS} && {_says('cluster_not_found')}", told=f"This API has no such model here. There are: %METADATA(ROUTE:{PORTICO}:{MODELS})%."),
    _denied("MODEL_NOT_IN_PLAN", 403, _("Your subscription's plan does not include this model."), _("Ask GET /models which it includes, or ask for a larger plan.")),
    Refusal("BODY_NOT_JSON", 400, _("The call's body is no JSON object that can be read in one way only."), _("Send well-formed JSON as application/json, each member once, and names without escapes."), f"{_named('BODY_NOT_JSON')} || ({_by_script('BODY_NOT_JSON')})"),
    Refusal("TOO_MANY_TOKENS", 400, _("The call asks for more tokens than your plan lets a call have, or does not say for how many."), _("Send max_tokens, max_completion_tokens or max_output_tokens with what the plan allows; it counts once for each answer that n asks for."), _by_script("TOO_MANY_TOKENS")),
    Refusal("TEXT_BLOCKED", 400, _("The text holds what this API does not take."), _("Take it out; the API's publisher knows what is blocked."), _by_script("TEXT_BLOCKED")),
    Refusal("VARIABLE_INVALID", 400, _("A variable of this prompt is missing or not as it should be."), _("Look up the prompt's variables in the API's document."), _by_script("VARIABLE_INVALID"), told="%LOCAL_REPLY_BODY%"),
    Refusal("METHOD_NOT_ALLOWED", 405, _("This path is published with other methods."), _("Look up the operation in the API's document."), _on(WRONG_METHOD)),
    Refusal("NO_SUCH_ROUTE", 404, _("No published operation has this path."), _("Look up the path in the API's document; letters and slashes count."), _on(NO_ROUTE)),
    Refusal("HOST_UNKNOWN", 421, _("This gateway does not answer for the host that the call names."), _("Call the address that the portal shows for the API."), _on(OTHER_HOST)),
    Refusal("HEADERS_TOO_LARGE", 431, _("The call's headers are too large or too many."), _("Send at most 100 headers of 16 KiB together."), f"{_says('headers_too_large')} || {_says('too_many_headers')}"),
    Refusal("REQUEST_TIMEOUT", 408, _("The call did not come in whole in time."), _("Send the headers within 5 seconds and the body within 30, without long pauses."), f"{_says('request_header_timeout')} || {_says('request_overall_timeout')} || ({_says('stream_idle_timeout')} && !has(request.path))"),
    Refusal("BODY_TOO_LARGE", 413, _("The call's body is larger than the gateway can hold back."), _("Send a smaller body."), f"{_says('request_payload_too_large')} || {_named('BODY_TOO_LARGE')}"),
    Refusal("UPGRADE_NOT_SUPPORTED", 501, _("The gateway does not change protocols."), _("Call without the header Upgrade and without CONNECT; WebSockets don't pass."), _says("upgrade_failed")),
    Refusal("REQUEST_INVALID", 400, _("The gateway takes no request of this form."), _("Send well-formed HTTP: no %2F or %5C in the path, no header with an underscore in its name."), f"{_says('path_normalization_failed')} || {_says('missing_host')} || {_says('missing_path')} || {_says('low_version')} || (response.code_details.startsWith('http') && !{_says('upstream')})"),
    Refusal("OVERLOADED", 503, _("This gateway is short of memory."), _("Try again in a few seconds."), 'response.code_details == "overload"'),
    Refusal("NOT_READY", 503, _("This gateway does not know this tenant, or has not loaded it yet."), _("Check the address. If it is right, try again in a second."), f'{_on(CLOSED)} || !has(xds.route_name) || xds.route_name == ""'),
    Refusal("REQUEST_TIMEOUT", 408, _("The call did not come in whole in time."), _("Send the headers within 5 seconds and the body within 30, without long pauses."), f"{_says('stream_idle_timeout')} && response.code == 408"),
    Refusal("PROVIDER_UNAVAILABLE", 503, _("No provider of this model answers."), _("Try again, or ask for another model; if it stays, tell the API's publisher the request id."), f"{_OF_AI} && ({_says('response_timeout')} || {_says('stream_idle_timeout')} || {_says('per_try')} || {_says('upstream')} || {_says('no_healthy')} || {_says('cluster_not_found')})"),
    Refusal("UPSTREAM_TIMEOUT", 504, _("The API behind the gateway did not answer in time."), _("Try again; if it stays, tell the API's publisher the request id."), f"{_says('response_timeout')} || {_says('stream_idle_timeout')} || {_says('per_try')}"),
    Refusal("UPSTREAM_UNAVAILABLE", 503, _("The API behind the gateway does not answer."), _("Try again; if it stays, tell the API's publisher the request id."), f"{_says('upstream')} || {_says('no_healthy')} || {_says('cluster_not_found')}"),
    # Whatever is left: no answer of the gateway's own goes without a code.
    Refusal("GATEWAY_ERROR", 500, _("The gateway could not answer this call."), _("Try again; if it stays, tell the operator the request id."), "response.code >= 400"),
)  # fmt: skip

CODES: tuple[str, ...] = tuple(dict.fromkeys(refusal.code for refusal in REFUSALS))


# What is said before there is a route, or where it is no API's; and what only AI APIs say.
_OF_NO_API = frozenset(
    {"ADDRESS_LIMITED", "API_RETIRED", "DRAINING", "HOST_UNKNOWN", "METHOD_NOT_ALLOWED", "NO_SUCH_ROUTE", "TENANT_SUSPENDED"}
)
_OF_AI_ALONE = frozenset(
    {
        "BODY_NOT_JSON", "MODEL_NOT_IN_PLAN", "MODEL_UNKNOWN", "PROVIDER_UNAVAILABLE", "TEXT_BLOCKED", "TOKENS_LIMITED", "TOO_MANY_TOKENS",
        "VARIABLE_INVALID",
    }
)  # fmt: skip
_NO_MORE: Mapping[str, str] = {}
# How the SDKs of OpenAI and Anthropic call each kind of error; the others are `invalid_request_error`.
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    504: "api_error",
}
# What a canary may be answered with, in each state of a tenant, says beside it which routes those are.
_TO_CANARIES = ("TENANT_SUSPENDED", "TOKEN_MISSING", "NOT_READY")
_SERVED = f"%METADATA(VIRTUAL_HOST:{PORTICO}:{CONFIGURATION})%"


def mappers(portal_url: str, refusals: Sequence[Refusal] = REFUSALS) -> hcm_pb2.LocalReplyConfig:
    to_canaries = [_to_canary(refusal) for refusal in refusals if refusal.code in _TO_CANARIES]
    found = [_mapper(refusal, portal_url, {CONFIGURATION_HEADER: _SERVED}) for refusal in to_canaries]
    for refusal in refusals:
        # One after the other: what fits first answers, whatever API was called. That it is an AI API's is asked last, where it hardly ever
        # has to be.
        if refusal.code not in _OF_NO_API:
            found.append(_mapper(replace(refusal, when=f"({refusal.when}) && {_OF_AI}"), portal_url, of_ai=True))
        if refusal.code not in _OF_AI_ALONE:
            found += [_mapper(each, portal_url) for each in (*_to_agents(refusal), refusal)]
    return hcm_pb2.LocalReplyConfig(mappers=found)


def _to_agents(refusal: Refusal) -> list[Refusal]:
    """What proves nothing is told at MCP's routes whom to ask for a token (RFC 9728 §5.1); of API keys, too, for it may have sent none."""
    if refusal.status != 401:
        return []
    return [
        replace(refusal, when=f'xds.route_name.startsWith("{prefix}") && ({refusal.when})', challenge=challenge(own=own))
        for prefix, own in ((MCP_PREFIX, False), (OWN_MCP_PREFIX, True))
    ]


def _to_canary(refusal: Refusal) -> Refusal:
    return replace(refusal, when=f'request.path.endsWith("{CANARY_PATH}") && ({refusal.when})')


def _literal(text: str) -> str:
    """A percent sign begins a command in Envoy's format strings, so one that is meant is doubled."""
    return text.replace("%", "%%")


def _mapper(refusal: Refusal, portal_url: str, more: Mapping[str, str] = _NO_MORE, *, of_ai: bool = False) -> hcm_pb2.ResponseMapper:
    """:param of_ai: whether callers look for an error as AI providers tell theirs."""
    told = accesslog_pb2.ExtensionFilter(name="cel", typed_config=packed(cel_pb2.ExpressionFilter(expression=refusal.when)))
    body, sentence = struct_pb2.Struct(), refusal.told or _literal(refusal.sentence)
    body.update(
        {
            "type": f"{portal_url}/refusals/{refusal.code}/",
            "title": sentence,
            "status": refusal.status,
            "code": refusal.code,
            "detail": _literal(refusal.fix),
            "instance": f"{portal_url}/refused/%REQ(X-REQUEST-ID)%/",
            "request_id": "%REQ(X-REQUEST-ID)%",
        }
    )
    if of_ai:
        kind = _TYPES.get(refusal.status, "invalid_request_error")
        body.update({"error": {"message": sentence, "type": kind, "code": refusal.code, "param": None}})
    return hcm_pb2.ResponseMapper(
        filter=accesslog_pb2.AccessLogFilter(extension_filter=told),
        status_code=wrappers_pb2.UInt32Value(value=refusal.status),
        headers_to_add=[
            base_pb2.HeaderValueOption(header=base_pb2.HeaderValue(key=name, value=value), append_action=_INSTEAD)
            for name, value in (
                (REFUSAL_HEADER, refusal.code),
                ("www-authenticate", refusal.challenge),
                ("retry-after", refusal.retry),
                *refusal.more,
                *more.items(),
            )
            if value
        ],
        body_format_override=substitution_format_string_pb2.SubstitutionFormatString(
            json_format=body, content_type="application/problem+json"
        ),
    )


def unavailable(portal_url: str) -> str:
    """What a script answers in place of a provider that refused our key or sent a page: the same document, but for REQUEST_ID in it."""
    found = next(each for each in REFUSALS if each.code == "PROVIDER_UNAVAILABLE")
    format = _mapper(found, portal_url, of_ai=True).body_format_override.json_format  # noqa: A001
    return json.dumps(MessageToDict(format), sort_keys=True).replace("%REQ(X-REQUEST-ID)%", "REQUEST_ID").replace("%%", "%")
