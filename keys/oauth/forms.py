"""What the OAuth endpoints read: a small form, each parameter once."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from django.http import HttpRequest

from keys.oauth.errors import OAuthError

MAX_BODY = 8192
MAX_FIELDS = 50


@dataclass(frozen=True, slots=True)
class Form:
    """`resources` are the values of `resource`, which alone may stand more than once (RFC 8707 §2)."""

    values: dict[str, str]
    resources: list[str]

    def get(self, name: str) -> str:
        """ "" if it is not there: a parameter without a value counts as left out (RFC 6749 §3.2)."""
        return self.values.get(name, "")

    def require(self, name: str) -> str:
        if found := self.get(name):
            return found
        raise OAuthError("invalid_request", f"The parameter {name} is missing.")


def read(request: HttpRequest) -> Form:
    if request.content_type != "application/x-www-form-urlencoded":
        raise OAuthError(
            "invalid_request",
            "Send the parameters as application/x-www-form-urlencoded in the body (RFC 6749, section 4.4.2).",
        )
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY:
        raise OAuthError("invalid_request", f"The body is larger than {MAX_BODY} bytes.", status=413)
    try:
        pairs = parse_qsl(request.body.decode(), max_num_fields=MAX_FIELDS)
    except ValueError:
        raise OAuthError("invalid_request", "The body is not a well-formed form in UTF-8.") from None
    values: dict[str, str] = {}
    resources = []
    for name, value in pairs:
        if "\x00" in value:
            raise OAuthError("invalid_request", "A parameter holds a NUL character.")
        if name == "resource":
            resources.append(value)
        elif name in values:
            raise OAuthError("invalid_request", "A parameter stands twice (RFC 6749, section 3.2).")
        else:
            values[name] = value
    return Form(values, resources)
