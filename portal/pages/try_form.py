"""What the reference asks for to try an operation: static/try.js makes the call of it."""

import json
import re
from dataclasses import dataclass

from apis.reference import Operation, Parameter
from gateway.envoy.cors import ALLOWED
from portal.samples import told

# OpenAPI 3.1.1 §4.8.12: as header parameters the first three mean nothing. Who calls is said by the application.
SAID_OTHERWISE = {"accept", "content-type", "authorization", "x-api-key"}
# RFC 9110 §9.2.1; of others a person is asked first.
SAFE = {"GET", "HEAD", "OPTIONS"}
# What one part of a path can be, as browsers read a pattern: dots alone lead elsewhere, and no gateway takes a slash there.
SEGMENT = r"(?!\.{1,2}$)[^\/\\]+"
# Fetch Standard, forbidden request-headers: browsers leave them out and say nothing.
_FORBIDDEN = re.compile(
    r"(?:proxy-|sec-).*|accept-charset|accept-encoding|access-control-request-.*|connection|content-length|cookie2?|date|dnt|expect|host"
    r"|keep-alive|origin|referer|set-cookie|te|trailer|transfer-encoding|upgrade|via",
    re.IGNORECASE,
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")


@dataclass(frozen=True, slots=True)
class Blank:
    """A parameter to be filled in, with what `pattern` its value has to match, "" for any; `sendable` is whether a page can send it."""

    name: str
    where: str
    required: bool
    value: str
    pattern: str
    sendable: bool


def blanks(operation: Operation, *, names_origins: bool) -> list[Blank]:
    """What has to be given is filled in by its example.

    :param names_origins: whether the API's own list of origins decides what pages send, see docs/cors.md.
    """
    asked = (each for each in operation.parameters if each.where in {"path", "query", "header", "cookie"})
    return [_blank(each, names_origins) for each in asked if not (each.where == "header" and each.name.lower() in SAID_OTHERWISE)]


def _blank(parameter: Parameter, names_origins: bool) -> Blank:  # noqa: FBT001
    required = parameter.required or parameter.where == "path"
    value = told(json.loads(parameter.example)) if required and parameter.example else ""
    pattern = SEGMENT if parameter.where == "path" else ""
    return Blank(parameter.name, parameter.where, required, value, pattern, _is_sendable(parameter, names_origins))


def _is_sendable(parameter: Parameter, names_origins: bool) -> bool:  # noqa: FBT001
    name = parameter.name.lower()
    if parameter.where == "header":
        return bool(_NAME.fullmatch(name)) and not _FORBIDDEN.fullmatch(name) and (not names_origins or name in ALLOWED)
    return parameter.where != "cookie"
