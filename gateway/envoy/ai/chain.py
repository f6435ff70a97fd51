"""What a call of an AI API passes behind the gate: its body is read, its model found, looked for in the plan, its text masked.

The chain stands on the route that a call finds first, which leads nowhere. Its step `asked` writes the model, for which Envoy looks for a
route anew; only those with a provider's cluster match by what it wrote. So where the chain is missing nothing gets through.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any as Any_
from typing import TypeAlias

from envoy.config.core.v3 import base_pb2, extension_pb2, substitution_format_string_pb2
from envoy.extensions.filters.common.set_filter_state.v3 import value_pb2 as state_pb2
from envoy.extensions.filters.http.buffer.v3 import buffer_pb2
from envoy.extensions.filters.http.json_to_metadata.v3 import json_to_metadata_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.set_filter_state.v3 import set_filter_state_pb2
from envoy.type.matcher.v3 import regex_pb2
from google.protobuf import struct_pb2, wrappers_pb2
from google.protobuf.any_pb2 import Any
from xds.type.matcher.v3 import matcher_pb2

from gateway.envoy import rbac
from gateway.envoy.ai.scripts import script
from gateway.envoy.ai.state import ANTHROPIC, Ai, Content, Prompt, Rails, Variable
from gateway.envoy.extensions import FilterChainConfigPerRoute, extension, packed
from gateway.envoy.names import AI_PLAN, AI_REQUEST, ASKED, MODEL, PLAN_PREFIX, RBAC
from gateway.envoy.refusals import unavailable
from gateway.envoy.state import Grant

Extension: TypeAlias = extension_pb2.TypedExtensionConfig
_Json = json_to_metadata_pb2.JsonToMetadata
# Every step, in order, of a call that names its model, of a prompt, and of the question which models there are.
STEPS = ("whole", "body_too_large", "read", "body_not_json", "asked", "model_not_in_plan", "asks", "masks", "log", "tokens")
PROMPT_STEPS = (
    "whole", "body_too_large", "read", "body_not_json", "variables", "asked", "model_not_in_plan", "asks", "masks", "log", "answer",
    "tokens",
)  # fmt: skip
LIST_STEPS = ("asked",)
OPTIONAL = ("asks", "masks", "log")
# set_filter_state.v3.Config.clear_route_cache (field 2, bool), which xds-protos does not know yet.
CLEARS = bytes([2 << 3, 1])
# What of the body is read, by how callers say for how many tokens they ask.
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "n")
# So many a call takes from its bucket that does not say for how many it asks.
UNSAID = 1_000
# What stands in the metadata where there is no model, and where there is no JSON.
NOTHING, BROKEN = "-", "!"
PLAN = f"%DYNAMIC_METADATA({RBAC}:{rbac.decided(PLAN_PREFIX)})%"


def of_endpoint(ai: Ai, grants: Sequence[Grant], *, format_: str, outputs: bool, slug: str, portal: str) -> Any:
    """`FilterChainConfigPerRoute` of an endpoint whose calls name their model.

    :param grants: of the API, without those that are refused. :param outputs: whether it answers with tokens, of which callers say how
        many.
    """
    steps = [
        *_whole(ai.rails),
        _asked(f"%DYNAMIC_METADATA({ASKED}:model)%"),
        _in_plan(grants),
        *_asks(grants, outputs=outputs, fixed=None),
        *_masks(ai.rails),
        *_log(slug, ai.content),
        _tokens(portal, in_parts=format_ == ANTHROPIC),
    ]
    return _per_route(steps)


def of_prompt(prompt: Prompt, ai: Ai, grants: Sequence[Grant], *, slug: str, portal: str) -> Any:
    """The same for a prompt, whose calls say what stands in its template."""
    most = max((int(value) for name, value in prompt.parameters if name in LIMITS[:-1]), default=None)
    steps = [
        *_whole(ai.rails),
        _script("variables", filling(prompt)),
        _asked(_literal(prompt.model)),
        _in_plan(grants),
        *_asks(grants, outputs=True, fixed=most),
        *_masks(ai.rails),
        *_log(slug, ai.content),
        _script("answer", {}),
        _tokens(portal),
    ]
    return _per_route(steps)


def of_list() -> Any:
    """The same for the question which models there are: what the plan includes."""
    return _per_route([_asked(NOTHING)])


def _per_route(steps: Sequence[Extension]) -> Any:
    per_route = FilterChainConfigPerRoute()
    per_route.filter_chain.filters.extend(steps)
    return packed(per_route)


def _whole(rails: Rails) -> Iterator[Extension]:
    """The body, held back until it is there; read; and refused where it is too large or no JSON.

    The buffer counts what comes in while it holds back. With a tenant's first call at a gateway all of it may have come before, so that its
    length, which the buffer writes where the call does not say it, is looked at as well.
    json_to_metadata tells what it has read, by the last of members that stand twice. Whatever a call is sent on with refuses such a body.
    """
    most = rails.body_kib * 1024
    yield extension("whole", buffer_pb2.Buffer(max_request_bytes=wrappers_pb2.UInt32Value(value=most)))
    yield rbac.denial("BODY_TOO_LARGE", rbac.length_beyond(most))
    rules = [
        _Json.Rule(
            selectors=[_Json.Selector(key="model")],
            on_present=_kept("model", kind=_Json.STRING),
            on_missing=_kept("model", value=NOTHING),
            on_error=_kept("model", value=BROKEN),
        ),
        *(_Json.Rule(selectors=[_Json.Selector(key=name)], on_present=_kept(name, kind=_Json.NUMBER)) for name in LIMITS),
    ]
    json_alone = regex_pb2.RegexMatcher(regex="(?i)application/json *(;.*)?")
    matched = _Json.MatchRules(rules=rules, allow_content_types_regex=json_alone, allow_empty_content_type=True)
    yield extension("read", _Json(request_rules=matched))
    broken = rbac.noted(ASKED, "model", rbac.exactly(BROKEN))
    yield rbac.denial("BODY_NOT_JSON", rbac.either(broken, rbac.negated(rbac.noted(ASKED, "model", rbac.PRESENT))))


def _kept(key: str, *, kind: int = _Json.PROTOBUF_VALUE, value: str = "") -> json_to_metadata_pb2.JsonToMetadata.KeyValuePair:
    given = struct_pb2.Value(string_value=value) if value else None
    return _Json.KeyValuePair(metadata_namespace=ASKED, key=key, type=kind, value=given)


def _asked(model: str) -> Extension:
    """The model, the plan and the call's id are remembered, and the route is looked for anew.

    :param model: in Envoy's format.
    """
    values = [
        state_pb2.FilterStateValue(
            object_key=key,
            factory_key="envoy.string",
            format_string=substitution_format_string_pb2.SubstitutionFormatString(
                text_format_source=base_pb2.DataSource(inline_string=text)
            ),
        )
        for key, text in {MODEL: model, AI_PLAN: PLAN, AI_REQUEST: "%REQ(X-REQUEST-ID)%"}.items()
    ]
    return extension("asked", set_filter_state_pb2.Config(on_request_headers=values), CLEARS)


def _in_plan(grants: Sequence[Grant]) -> Extension:
    """The models of each plan; what no plan is known for is refused."""
    beyond = rbac.verdict("MODEL_NOT_IN_PLAN", rbac.DENY)
    plans = {
        plan: rbac.further(rbac.table(MODEL, dict.fromkeys(models, rbac.verdict("in_plan")), beyond)) if models else rbac.verdict("every")
        for plan, models in models_of(grants).items()
    }
    return extension("model_not_in_plan", rbac.decision(rbac.table(AI_PLAN, plans, beyond), "model_"))


def models_of(grants: Sequence[Grant]) -> dict[str, tuple[str, ...]]:
    """What each plan includes, () for everything."""
    return {grant.plan: grant.models for grant in sorted(grants, key=lambda each: (each.plan, each.models))}


def _asks(grants: Sequence[Grant], *, outputs: bool, fixed: int | None) -> Iterator[Extension]:
    """The step that counts for how many tokens a call asks; none where no plan limits them.

    :param fixed: for how many a prompt asks, whoever calls it.
    """
    most = {grant.plan: grant.max_tokens for grant in grants if grant.max_tokens}
    if most or any(grant.tokens_per_minute for grant in grants):
        context: dict[str, object] = {"most": most, "outputs": outputs, "unsaid": UNSAID}
        yield _script("asks", context | ({} if fixed is None else {"fixed": fixed}))


def _masks(rails: Rails) -> Iterator[Extension]:
    if rails.masks or rails.patterns or rails.blocked:
        patterns = [{"pattern": pattern, "put": f"[{name}]"} for name, pattern in rails.patterns]
        yield _script("masks", {"masks": sorted(rails.masks), "patterns": patterns, "blocked": list(rails.blocked)})


def _log(slug: str, content: Content | None) -> Iterator[Extension]:
    """Behind the masks, so that it has no more than a provider gets; of answers it hears last."""
    if content is not None:
        yield _script("log", {"tenant": slug, "requests": content.requests, "answers": content.answers})


def _tokens(portal: str, *, in_parts: bool = False) -> Extension:
    """:param in_parts: whether streams say in several places what they used."""
    return _script("tokens", {"unavailable": unavailable(portal), "in_parts": in_parts})


def _script(name: str, context: Mapping[str, Any_]) -> Extension:
    return extension(name, *script(name, context))


def _literal(text: str) -> str:
    """A percent sign begins a command in Envoy's format strings."""
    return text.replace("%", "%%")


# Prompts


def filling(prompt: Prompt) -> dict[str, object]:
    """What the script makes a body of: pieces of JSON, and between them variables."""
    variables = {each.name: each for each in prompt.variables}
    pieces: list[dict[str, str]] = []

    def text(piece: str) -> None:
        pieces.append({"text": piece})

    text(f'{{"model":{json.dumps(prompt.model)},"messages":[')
    for number, (role, content) in enumerate(prompt.messages):
        text(f'{"," if number else ""}{{"role":{json.dumps(role)},"content":"')
        for index, part in enumerate(re.split(r"\{\{ *([A-Za-z_][A-Za-z0-9_]*) *\}\}", content)):
            if index % 2 and part in variables:
                pieces.append({"variable": part})
            elif index % 2:
                text(_inner(f"{{{{{part}}}}}"))
            elif part:
                text(_inner(part))
        text('"}')
    text("]")
    for name, value in prompt.parameters:
        text(f",{json.dumps(name)}:{json.dumps(value)}")
    text("}")
    return {"variables": {name: _rule(each) for name, each in variables.items()}, "pieces": pieces}


def _rule(variable: Variable) -> dict[str, object]:
    found: dict[str, object] = {"kind": variable.kind, "required": variable.required, "most": variable.most}
    if variable.choices:
        found["choices"] = dict.fromkeys(variable.choices, True)
    if not variable.required:
        default = variable.default
        found["default"] = _inner(default) if isinstance(default, str) else "" if default is None else json.dumps(default)
    return found


def _inner(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


# What fails open is refused


def is_whole(config: Any) -> bool:
    """It holds every step that there has to be, in order; the model is written there, its route looked for anew, and plans decide."""
    steps = FilterChainConfigPerRoute.FromString(config.value).filter_chain.filters
    names = tuple(step.name for step in steps)
    wanted = PROMPT_STEPS if "variables" in names else STEPS if "read" in names else LIST_STEPS
    if names != tuple(name for name in wanted if name in names or name not in OPTIONAL):
        return False
    configs = {step.name: step.typed_config for step in steps}
    return _asks_anew(configs["asked"]) and (wanted == LIST_STEPS or _decides(configs["model_not_in_plan"]))


def _asks_anew(config: Any) -> bool:
    found = set_filter_state_pb2.Config()
    if not config.Unpack(found) or not config.value.endswith(CLEARS):
        return False
    return {value.object_key for value in found.on_request_headers} == {MODEL, AI_PLAN, AI_REQUEST}


def _decides(config: Any) -> bool:
    found = rbac_pb2.RBAC()
    if not config.Unpack(found):
        return False
    plans: matcher_pb2.Matcher = found.matcher
    limited = [each.matcher for each in plans.matcher_tree.exact_match_map.map.values() if each.HasField("matcher")]
    return all(map(rbac.denies_by_default, (plans, *limited)))
