"""The routes of an AI API: of each operation one per model, and last the one that every call finds first, which bears the chain.

An attempt is a priority group of clusters: the n-th goes to the n-th group, whatever the one before answered with that another provider may
answer better.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/router/cluster_specifiers/priority_group/v3/priority_group.proto
"""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from envoy.config.core.v3 import base_pb2, extension_pb2
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.type.matcher.v3 import filter_state_pb2, string_pb2
from google.protobuf import any_pb2, duration_pb2, struct_pb2, wrappers_pb2

from apis.mock import MOST
from gateway.envoy.ai import chain
from gateway.envoy.ai.clusters import cluster_name
from gateway.envoy.ai.state import ANTHROPIC, OPENAI, Ai, Group, Model
from gateway.envoy.extensions import PriorityGroups, packed
from gateway.envoy.names import AI, AI_PLAN, BUFFER, CORS, MODEL, MODELS, NOWHERE, PORTICO, REWRITE
from gateway.envoy.state import Grant, Operation, Tenant, Version

Route: TypeAlias = route_pb2.Route
# RetryPolicy.refresh_cluster_on_retry (field 14, bool), which xds-protos does not know yet.
REFRESHES = bytes([14 << 3, 1])
# The endpoints that there are, each with the format that it is of and whether it answers with tokens.
ENDPOINTS = {
    "/chat/completions": (OPENAI, True),
    "/embeddings": (OPENAI, False),
    "/messages": (ANTHROPIC, True),
    "/responses": (OPENAI, True),
}
LIST = "/models"
CHAT = "/chat/completions"
# So often a call is tried at most, or as often as there are groups of keys.
MOST_ATTEMPTS = 8
# While the body comes in, which the listener bounds; by itself a call would end within the time in which a tenant has to load.
BODY_MS = 31_000
IDLE_EXTRA_MS = 1_000
# What of a call another provider may answer better: its key is not taken, it is asked too often, it fails, it is silent, or shows a page.
RETRY_ON = "5xx,reset,connect-failure,retriable-status-codes,retriable-headers"
RETRIED = (401, 403, 408, 409, 429)
# What providers say of our accounts there.
HIDDEN = (
    "anthropic-organization-id",
    "openai-organization",
    "openai-project",
    "set-cookie",
    *(
        f"anthropic-ratelimit-{what}-{which}"
        for what in ("requests", "tokens", "input-tokens", "output-tokens")
        for which in ("limit", "remaining", "reset")
    ),
    *(f"x-ratelimit-{which}-{what}" for what in ("requests", "tokens") for which in ("limit", "remaining", "reset")),
)


class Of(NamedTuple):
    """An operation: what its routes are called, and what they say of it."""

    name: str
    said: struct_pb2.Struct


def plans(tenant: Tenant, version: Version) -> tuple[Grant, ...]:
    """One grant for each plan under which the API may be called: however many callers a plan has, all have the same of it."""
    mine = (grant for grant in tenant.access.grants if grant.api == version.api and not grant.refusal)
    found = {(grant.plan, grant.models, grant.max_tokens, grant.tokens_per_minute): grant for grant in mine}
    return tuple(found[key] for key in sorted(found))


def of_operation(tenant: Tenant, version: Version, operation: Operation, of: Of, grants: Sequence[Grant]) -> list[Route]:
    """All of an operation's routes, the last of which bears the chain.

    :param grants: `plans` of the version.
    """
    ai = version.ai
    assert ai is not None
    portal = tenant.issuer.removesuffix(f"/t/{tenant.slug}")
    prompt = next((each for each in ai.prompts if each.operation_id == operation.operation_id), None)
    if prompt is not None:
        config = chain.of_prompt(prompt, ai, grants, slug=tenant.slug, portal=portal)
        offered = [each for each in ai.models if each.name == prompt.model and each.openai]
        found = [_model(tenant.slug, ai, each, (OPENAI, CHAT), of) for each in offered]
    elif operation.path == LIST:
        config = chain.of_list()
        offered = sorted(ai.models, key=lambda each: each.name)
        found = list(_lists(tenant.slug, offered, grants, of))
    else:
        format_, outputs = ENDPOINTS[operation.path]
        config = chain.of_endpoint(ai, grants, format_=format_, outputs=outputs, slug=tenant.slug, portal=portal)
        offered = sorted((each for each in ai.models if each.attempts(format_)), key=lambda each: each.name)
        found = [_model(tenant.slug, ai, each, (format_, operation.path), of) for each in offered]
    return [*found, _first(of, offered, config)]


def _first(of: Of, offered: Sequence[Model], config: any_pb2.Any) -> Route:
    told = struct_pb2.Struct()
    told.CopyFrom(of.said)
    told.update({MODELS: ", ".join(each.name for each in offered) or "none"})
    action = route_pb2.RouteAction(
        cluster=NOWHERE, cluster_not_found_response_code=route_pb2.RouteAction.NOT_FOUND, idle_timeout=_milliseconds(BODY_MS)
    )
    return route_pb2.Route(
        name=of.name,
        metadata=base_pb2.Metadata(filter_metadata={PORTICO: told}),
        route=action,
        typed_per_filter_config={AI: config},
    )


def _model(slug: str, ai: Ai, model: Model, endpoint: tuple[str, str], of: Of) -> Route:
    """:param endpoint: its format and its path."""
    format_, path = endpoint
    rewrite = struct_pb2.Struct()
    # As JSON spells them: they are written into bodies.
    names = {provider: json.dumps(there, ensure_ascii=False) for provider, there in model.names}
    rewrite.update({"models": names, "path": path, "usage": path == CHAT})
    groups = attempts(reachable(ai, format_, model.attempts(format_)))
    route = route_pb2.Route(
        name=of.name,
        match=_where(MODEL, model.name),
        metadata=base_pb2.Metadata(filter_metadata={PORTICO: of.said, REWRITE: rewrite}),
        # Else larger ones than a connection holds are not kept for another attempt.
        request_body_buffer_limit=wrappers_pb2.UInt64Value(value=2 * ai.rails.body_kib * 1024),
        response_headers_to_remove=HIDDEN,
    )
    # An answer streams for as long as it goes on. With a time-out per try Envoy heeds none of its silence (1.40), so the stream's own is
    # it, which runs while attempts wait for their first byte as well.
    route.route.timeout.SetInParent()
    route.route.idle_timeout.CopyFrom(_milliseconds(max(model.silence_ms, len(groups) * model.first_byte_ms + IDLE_EXTRA_MS)))
    route.route.inline_cluster_specifier_plugin.extension.CopyFrom(_groups(slug, ai, format_, groups))
    policy = route.route.retry_policy
    policy.retry_on = RETRY_ON
    policy.retriable_status_codes.extend(RETRIED)
    policy.retriable_headers.add(name="content-type", string_match=string_pb2.StringMatcher(prefix="text/html"))
    policy.num_retries.value = len(groups) - 1
    policy.per_try_timeout.CopyFrom(_milliseconds(model.first_byte_ms))
    # Another provider is not the one that needs a rest.
    policy.retry_back_off.base_interval.FromMilliseconds(5)
    policy.retry_back_off.max_interval.FromMilliseconds(50)
    policy.MergeFromString(REFRESHES)
    return route


def reachable(ai: Ai, format_: str, groups: Sequence[Group]) -> Sequence[Group]:
    """Without keys that have no address: where a cluster has nobody to call Envoy goes on to no other. All of them if none has any."""
    there = {key.id for key in ai.keys if key.format == format_ and key.addresses}
    found = [tuple((key, weight) for key, weight in group if key in there) for group in groups]
    return [group for group in found if group] or groups


def attempts(groups: Sequence[Group]) -> list[Group]:
    """The groups in order, and behind each that has several keys these one by one: nobody knows which of them was tried. The lightest comes
    first, since it was most likely not that one.
    """
    found, left = [], MOST_ATTEMPTS - len(groups)
    for group in groups:
        found.append(group)
        if 1 < len(group) <= left:
            left -= len(group)
            found += [((key, 1),) for key, _ in sorted(group, key=lambda each: (each[1], each[0]))]
    return found


def _groups(slug: str, ai: Ai, format_: str, groups: Sequence[Group]) -> extension_pb2.TypedExtensionConfig:
    clusters = {key.id: cluster_name(slug, key) for key in ai.keys if key.format == format_}
    found = PriorityGroups()
    for number, group in enumerate(groups, 1):
        added = found.priority_groups.add(name=str(number))
        for key, weight in group:
            added.clusters.add(cluster_name=clusters[key], weight=wrappers_pb2.UInt32Value(value=weight))
    return extension_pb2.TypedExtensionConfig(name="envoy.router.cluster_specifier_plugin.priority_group", typed_config=packed(found))


def _lists(slug: str, models: Sequence[Model], grants: Sequence[Grant], of: Of) -> Iterator[Route]:
    """What each plan includes."""
    for plan, included in chain.models_of(grants).items():
        told = [each.name for each in models if not included or each.name in included]
        route = route_pb2.Route(name=of.name, match=_where(AI_PLAN, plan), metadata=base_pb2.Metadata(filter_metadata={PORTICO: of.said}))
        route.direct_response.status = 200
        route.direct_response.body.inline_string = listed(slug, told)
        route.response_headers_to_add.add(
            header=base_pb2.HeaderValue(key="content-type", value="application/json"),
            append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        )
        yield route


def listed(slug: str, names: Sequence[str]) -> str:
    """As the SDKs of OpenAI and of Anthropic read it, both; shorter where it would be longer than an answer of Envoy's own may be."""
    data: list[dict[str, object]] = [
        {
            "id": each,
            "object": "model",
            "type": "model",
            "created": 0,
            "created_at": "1970-01-01T00:00:00Z",
            "display_name": each,
            "owned_by": slug,
        }
        for each in names
    ]
    whole = {
        "object": "list",
        "data": data,
        "has_more": False,
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
    }
    text = json.dumps(whole, separators=(",", ":"))
    if len(text) > MOST:
        text = json.dumps({**whole, "data": [{"id": each, "object": "model"} for each in names]}, separators=(",", ":"))
    return text


def _where(state: str, value: str) -> route_pb2.RouteMatch:
    """Only what the chain wrote there leads to the route."""
    matcher = filter_state_pb2.FilterStateMatcher(key=state, string_match=string_pb2.StringMatcher(exact=value))
    return route_pb2.RouteMatch(filter_state=[matcher])


def _milliseconds(value: int) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromMilliseconds(value)
    return duration


# What fails open is refused


def fails_open(routes: Sequence[Route]) -> str:
    """What is wrong with an operation's routes, "" if nothing: only the last may be found before the chain ran, and that leads nowhere."""
    *found, first = routes
    if set(first.typed_per_filter_config) - {BUFFER, CORS} != {AI} or first.route.cluster != NOWHERE or first.match.filter_state:
        return "calls find a route first that does not bear their chain"
    if not chain.is_whole(first.typed_per_filter_config[AI]):
        return "the chain of an AI API lacks what it needs"
    for route in found:
        if AI in route.typed_per_filter_config:
            return "a model's route bears a chain"
        keys = [(each.key, bool(each.string_match.exact)) for each in route.match.filter_state]
        if keys not in ([(MODEL, True)], [(AI_PLAN, True)]):
            return "a model's route can be found before the chain ran"
        if (AI_PLAN, True) in keys and not route.HasField("direct_response"):
            return "a plan leads to a provider, whatever model is asked for"
    return ""
