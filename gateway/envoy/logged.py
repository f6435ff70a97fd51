"""Headers that the access log has although Envoy does not log them itself: the first step of a tenant's chain notes them as metadata.

In the chain and not in the listener, where each change would close everybody's connections, and every tenant's calls would be told with
what one tenant wanted to know.
"""

from collections.abc import Iterator

from envoy.config.core.v3 import extension_pb2
from envoy.extensions.filters.http.header_to_metadata.v3 import header_to_metadata_pb2

from gateway.envoy.extensions import extension
from gateway.envoy.names import LOGGED, LOGGED_REQUEST, LOGGED_RESPONSE
from gateway.envoy.state import Logged

# What stands in place of a value that nobody may know: it does not leave Envoy.
MASKED = "(masked)"
_Config = header_to_metadata_pb2.Config


def headers(logged: Logged) -> Iterator[extension_pb2.TypedExtensionConfig]:
    """The step, where there is anything to note."""
    if logged.request or logged.response:
        yield extension(
            "logged",
            _Config(
                request_rules=[_rule(name, LOGGED_REQUEST, masked=name in logged.masked) for name in logged.request],
                response_rules=[_rule(name, LOGGED_RESPONSE, masked=name in logged.masked) for name in logged.response],
            ),
        )


def _rule(name: str, of: str, *, masked: bool) -> header_to_metadata_pb2.Config.Rule:
    pair = _Config.KeyValuePair(metadata_namespace=LOGGED, key=f"{of}{name}", type=_Config.STRING, value=MASKED if masked else "")
    return _Config.Rule(header=name, on_header_present=pair)
