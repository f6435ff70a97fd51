"""An operation that the gateway answers itself, from an example: a direct response, under the chain like every route.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-directresponseaction
"""

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.config.route.v3 import route_pb2 as configuration_pb2

from apis.mock import MOST
from gateway.envoy.names import MOCK_HEADER
from gateway.envoy.state import Answer

_Option = base_pb2.HeaderValueOption


def apply(answer: Answer, route: route_pb2.Route) -> None:
    """The route gives this answer, and says that it is no upstream's."""
    route.direct_response.status = answer.status
    headers = {MOCK_HEADER: "true"}
    if answer.body:
        route.direct_response.body.inline_string = answer.body
        # Envoy's own would be text/plain.
        headers["content-type"] = answer.media_type
    for name, value in sorted(headers.items()):
        route.response_headers_to_add.add(
            header=base_pb2.HeaderValue(key=name, value=value), append_action=_Option.OVERWRITE_IF_EXISTS_OR_ADD
        )


def allow(whole: configuration_pb2.RouteConfiguration) -> None:
    """Bodies as large as answers may be: by itself Envoy refuses a configuration with one of more than 4 KB."""
    whole.max_direct_response_body_size_bytes.value = MOST
