"""At a tenant's own host: the handshake's name (SNI, RFC 6066 §3) says whose call it is, and the header Host has to say the same."""

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import base_pb2, extension_pb2
from envoy.config.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as filter_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import header_mutation_pb2 as early_pb2
from google.api.expr.v1alpha1 import syntax_pb2

from gateway.envoy.extensions import packed
from gateway.envoy.names import DOOR_HEADER


def early(*, own: bool) -> extension_pb2.TypedExtensionConfig:
    """Before anything reads the call: at a tenant's door the header is the handshake's name, elsewhere nobody's."""
    if own:
        option = base_pb2.HeaderValueOption(
            header=base_pb2.HeaderValue(key=DOOR_HEADER, value="%REQUESTED_SERVER_NAME%"),
            append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        )
        mutation = mutation_rules_pb2.HeaderMutation(append=option)
    else:
        mutation = mutation_rules_pb2.HeaderMutation(remove=DOOR_HEADER)
    return extension_pb2.TypedExtensionConfig(name="door", typed_config=packed(early_pb2.HeaderMutation(mutations=[mutation])))


def same_host() -> hcm_pb2.HttpFilter:
    """Refuse what names another host than the handshake did: one connection is for one host, whatever a certificate covers.

    Envoy takes this condition as a tree of CEL, `request.host.lowerAscii().split(":")[0] != connection.requested_server_name`.
    """
    called = _call("lowerAscii", target=_of("request", "host"))
    name = _call("_[_]", _call("split", _text(":"), target=called), syntax_pb2.Expr(const_expr=syntax_pb2.Constant(int64_value=0)))
    other = _call("_!=_", name, _of("connection", "requested_server_name"))
    policy = rbac_pb2.Policy(permissions=[rbac_pb2.Permission(any=True)], principals=[rbac_pb2.Principal(any=True)], condition=other)
    policy.cel_config.enable_string_functions = True
    rules = rbac_pb2.RBAC(action=rbac_pb2.RBAC.DENY, policies={"HOST_UNKNOWN": policy})
    made = filter_pb2.RBAC(rules=rules, rules_stat_prefix="same_host_")
    return hcm_pb2.HttpFilter(name="same_host", typed_config=packed(made))


def _of(name: str, field: str) -> syntax_pb2.Expr:
    held = syntax_pb2.Expr(ident_expr=syntax_pb2.Expr.Ident(name=name))
    return syntax_pb2.Expr(select_expr=syntax_pb2.Expr.Select(operand=held, field=field))


def _text(text: str) -> syntax_pb2.Expr:
    return syntax_pb2.Expr(const_expr=syntax_pb2.Constant(string_value=text))


def _call(function: str, *args: syntax_pb2.Expr, target: syntax_pb2.Expr | None = None) -> syntax_pb2.Expr:
    return syntax_pb2.Expr(call_expr=syntax_pb2.Expr.Call(function=function, args=args, target=target))
