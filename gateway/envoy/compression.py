"""Answers made smaller on their way to callers that take it: a filter per way, off but on routes that ask for them.

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/compressor_filter
"""

from envoy.config.core.v3 import extension_pb2
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.extensions.compression.brotli.compressor.v3 import brotli_pb2
from envoy.extensions.compression.gzip.compressor.v3 import gzip_pb2
from envoy.extensions.filters.http.compressor.v3 import compressor_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from google.protobuf import wrappers_pb2

from gateway.envoy.extensions import extension, http_filter, packed
from gateway.envoy.names import BROTLI, GZIP

# In bytes; below it the caller wins nothing. What does not say its length beforehand is compressed however long it is.
LEAST = 1_000
PART = 206
# Text. What streams in events (text/event-stream) is none of it: each would be compressed by itself, which wins nothing.
TYPES = (
    "application/javascript",
    "application/json",
    "application/problem+json",
    "application/xml",
    "image/svg+xml",
    "text/css",
    "text/csv",
    "text/html",
    "text/plain",
    "text/xml",
)
_Per = compressor_pb2.ResponseDirectionOverrides


def filters() -> list[hcm_pb2.HttpFilter]:
    """In the listener; where the caller likes both as well, Brotli is taken."""
    # As much as is won cheaply: a gateway's time is dearer than the last percents.
    brotli = brotli_pb2.Brotli(quality=wrappers_pb2.UInt32Value(value=4))
    gzip = gzip_pb2.Gzip(compression_level=gzip_pb2.Gzip.COMPRESSION_LEVEL_4)
    return [_off(BROTLI, extension(BROTLI, brotli)), _off(GZIP, extension(GZIP, gzip))]


def apply(route: route_pb2.Route) -> None:
    """The route's answers are compressed."""
    for name in (BROTLI, GZIP):
        on = compressor_pb2.CompressorPerRoute(overrides=compressor_pb2.CompressorOverrides(response_direction_config=_Per()))
        route.typed_per_filter_config[name].CopyFrom(packed(on))


def _off(name: str, library: extension_pb2.TypedExtensionConfig) -> hcm_pb2.HttpFilter:
    least = wrappers_pb2.UInt32Value(value=LEAST)
    common = compressor_pb2.Compressor.CommonDirectionConfig(min_content_length=least, content_type=TYPES)
    # A part is one of the bytes that the upstream has (RFC 9110, section 14.4).
    answers = compressor_pb2.Compressor.ResponseDirectionConfig(common_config=common, uncompressible_response_codes=[PART])
    whole = compressor_pb2.Compressor(compressor_library=library, response_direction_config=answers, choose_first=name == BROTLI)
    found = http_filter(name, whole)
    found.disabled = True
    return found
