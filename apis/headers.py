"""Which HTTP headers a publisher may name: those that are neither HTTP's own nor the gateway's."""

import re

NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^`|~-]{1,80}")
# Set by the gateway, or by HTTP itself: nobody else may forge them.
_OF_REQUESTS = {
    "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "expect",
    "proxy-authorization", "proxy-connection", "x-request-id", "x-forwarded-for", "x-forwarded-proto", "forwarded", "via",
}  # fmt: skip
# The caller's own proof: the gateway takes it away, and an upstream's secret has a place that is sealed.
CREDENTIALS = {"authorization", "x-api-key"}
# What the gateway itself says beside an answer, and what says how to read it.
_OF_RESPONSES = {
    "connection", "content-length", "content-type", "content-encoding", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive",
    "proxy-authenticate", "proxy-connection", "www-authenticate", "x-request-id", "retry-after", "allow", "vary", "date",
    "deprecation", "sunset", "link", "ratelimit", "ratelimit-policy",
}  # fmt: skip


def is_reserved_in_requests(name: str) -> bool:
    """:param name: in whatever case."""
    return name.lower() in _OF_REQUESTS or name.lower().startswith(("x-portico-", "x-envoy-", "sec-", ":"))


def is_reserved_in_responses(name: str) -> bool:
    return name.lower() in _OF_RESPONSES or name.lower().startswith(("x-portico-", "x-envoy-", "x-ratelimit-", "access-control-", ":"))


def is_value(text: str) -> bool:
    """Printable ASCII, with nothing around it that HTTP would take away (RFC 9110 §5.5)."""
    return bool(text) and text.isascii() and text.isprintable() and text == text.strip()
