"""What of an API's calls is told to a destination outside: which fields, of how many calls, what is masked, and where to.

Pure. docs/log-shipping.md explains it to publishers; gateway/shipping/ carries it out.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from jsonpath import JSONPath, JSONPathEnvironment
from jsonpath.exceptions import JSONPathError
from jsonpath.selectors import IndexSelector, NameSelector, SliceSelector, WildcardSelector

from apis import headers
from keys import webhooks

MASKED = "(masked)"
# In the order in which a record has them.
FIELDS = (
    "time", "request_id", "gateway", "method", "host", "path", "query", "protocol", "api", "version", "operation", "status", "code",
    "duration_ms", "upstream_ms", "bytes_in", "bytes_out", "application", "subscription", "plan", "address", "user_agent", "claims",
    "request_headers", "response_headers",
)  # fmt: skip
# What is chosen where nobody has said: not what callers put into a query, and not what their tokens say of them.
USUAL = tuple(name for name in FIELDS if name not in {"host", "query", "protocol", "claims"})
MOST_HEADERS, MOST_PATHS, MAX_PATH = 20, 20, 200
MAX_AUTHORIZATION = 2_000
# Gateways tell no more of one header.
MAX_HEADER = 1_000


class Destination(StrEnum):
    FILE = "file"
    HTTP = "http"
    OTLP = "otlp"


class Form(StrEnum):
    """How an HTTP destination gets a batch: a record per line, or one array."""

    LINES = "lines"
    ARRAY = "array"


# Whose value is never told, whatever somebody chose.
_CREDENTIAL = re.compile(r"auth|cookie|key|passw|secret|token|session|signature|credential|csrf|xsrf|jwt|api-?id", re.IGNORECASE)
_NO_CREDENTIAL = {"idempotency-key", "sec-websocket-key", "author"}
# And of queries, where names are shorter.
_IN_QUERIES = re.compile(r"auth|cookie|key|passw|pwd|secret|token|session|sig|credential|csrf|xsrf|jwt|^code$|assertion", re.IGNORECASE)
# What a credential looks like, wherever it stands: a JWT, one of Portico's, what follows a scheme of HTTP.
_LOOKS = re.compile(
    r"(?:ptc_[a-z]+_)?eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)*|ptc_[a-z]+_[\w-]{20,}|whsec_[\w+/=-]{20,}|\b(?:Bearer|Basic|Digest) +[^\s,;\"]+",
    re.IGNORECASE,
)


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever catches the refusal translates it, this module knows no framework."""
    return sentence


class LoggingRefused(ValueError):  # noqa: N818  (reads as the sentence it is)
    """Nothing that can be told. `field` names what is wrong, `named` fills the placeholders of `sentence` in whatever language that is."""

    def __init__(self, field: str, sentence: str, **named: object) -> None:
        super().__init__(sentence % named)
        self.field, self.sentence, self.named = field, sentence, named


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What somebody chose, in its normal form.

    `percent`: of how many calls. `masked_headers`: names whose value is replaced; `masked_paths`: JSONPath (RFC 9535) into the record.
    """

    percent: Decimal = Decimal(100)
    fields: tuple[str, ...] = USUAL
    request_headers: tuple[str, ...] = ()
    response_headers: tuple[str, ...] = ()
    masked_headers: tuple[str, ...] = ()
    masked_paths: tuple[str, ...] = ()
    destination: str = Destination.HTTP
    url: str = ""
    form: str = Form.LINES

    def as_json(self) -> dict[str, Any]:
        """For the audit: of the address the host alone, for the rest may hold what not everyone should see."""
        found = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "url"}
        lists = {name: list(value) for name, value in found.items() if isinstance(value, tuple)}
        return {**found, **lists, "percent": str(self.percent), "host": host_of(self.url)}


NAMES = tuple(each.name for each in fields(Rules))


def host_of(url: str) -> str:
    return urlsplit(url).netloc if url else ""


# --- what may be chosen ----------------------------------------------------------------------------------------------


def checked(*, files: bool, **given: Any) -> Rules:
    """:param files: whether the operator offers a folder.
    :raises LoggingRefused: the first that can't be.
    """
    rules = Rules(**given)
    return Rules(
        percent=_percent(rules.percent),
        fields=_fields(rules.fields),
        request_headers=_headers("request_headers", rules.request_headers),
        response_headers=_headers("response_headers", rules.response_headers),
        masked_headers=_headers("masked_headers", rules.masked_headers, masked=True),
        masked_paths=_paths(rules.masked_paths),
        destination=_destination(rules.destination, files=files),
        url=_url(rules),
        form=rules.form if rules.destination == Destination.HTTP else Form.LINES,
    )


def _percent(given: Decimal) -> Decimal:
    given = Decimal(given)
    if not given.is_finite() or not 0 <= given <= 100 or given != round(given, 2):
        raise LoggingRefused("percent", _("Give a share from 0 to 100 percent, with two decimals at most."))
    return round(given, 2)


def _fields(given: Sequence[str]) -> tuple[str, ...]:
    for name in given:
        if name not in FIELDS:
            raise LoggingRefused("fields", _("There is no field “%(name)s”."), name=name[:60])
    chosen = tuple(dict.fromkeys(given))
    if not chosen:
        raise LoggingRefused("fields", _("Choose at least one field."))
    return chosen


def _headers(field: str, given: Iterable[str], *, masked: bool = False) -> tuple[str, ...]:
    """:param masked: what is never told may be named here, too: it is masked anyway."""
    names = dict.fromkeys(name for each in given if (name := each.strip().lower()))
    if len(names) > MOST_HEADERS:
        raise LoggingRefused(field, _("These are %(count)s headers; %(most)s may be named."), count=len(names), most=MOST_HEADERS)
    for name in names:
        if not headers.NAME.fullmatch(name):
            raise LoggingRefused(field, _("“%(header)s” is no header's name."), header=name[:60])
        if not masked and is_hidden(name):
            said = _("%(header)s sounds like a credential. Such headers are never told to anybody.")
            raise LoggingRefused(field, said, header=name)
        if not masked and name.startswith("x-portico-"):
            raise LoggingRefused(field, _("%(header)s is the gateway's own. The record has fields for what it says."), header=name)
    return tuple(names)


def _paths(given: Iterable[str]) -> tuple[str, ...]:
    paths = tuple(dict.fromkeys(text for each in given if (text := each.strip())))
    if len(paths) > MOST_PATHS:
        raise LoggingRefused("masked_paths", _("These are %(count)s paths; %(most)s may be named."), count=len(paths), most=MOST_PATHS)
    for text in paths:
        compiled(text)
    return paths


_ENVIRONMENT = JSONPathEnvironment(strict=True)
_SELECTORS = (NameSelector, IndexSelector, SliceSelector, WildcardSelector)


@lru_cache(maxsize=2_000)
def compiled(text: str) -> JSONPath:
    """Names, indexes, slices, wildcards and descendants. No filters: their expressions could take as long as they like, for each call.

    :raises LoggingRefused: anything else.
    """
    shown = text[:60]
    if len(text) > MAX_PATH:
        raise LoggingRefused("masked_paths", _("A path has at most %(most)s characters."), most=MAX_PATH)
    try:
        found = _ENVIRONMENT.compile(text)
    except (JSONPathError, RecursionError, ValueError):
        said = _("“%(path)s” is no JSONPath; write for example $.query.email or $.request_headers['x-customer'].")
        raise LoggingRefused("masked_paths", said, path=shown) from None
    if not isinstance(found, JSONPath) or not found.segments:
        raise LoggingRefused("masked_paths", _("“%(path)s” names the whole record. Switch logging off instead."), path=shown)
    if not all(isinstance(each, _SELECTORS) for segment in found.segments for each in segment.selectors):
        said = _("“%(path)s” has a filter. Name members, indexes, * or .. instead.")
        raise LoggingRefused("masked_paths", said, path=shown)
    if sum("Recursive" in type(segment).__name__ for segment in found.segments) > 1:
        raise LoggingRefused("masked_paths", _("“%(path)s” has .. more than once."), path=shown)
    return found


def _destination(given: str, *, files: bool) -> str:
    if given == Destination.FILE and not files:
        said = _("This portal writes no files: its operator has named no folder for them (PORTICO_LOG_SHIPPING_FOLDER).")
        raise LoggingRefused("destination", said)
    return given


def _url(rules: Rules) -> str:
    if rules.destination == Destination.FILE:
        return ""
    try:
        webhooks.check_url(rules.url)
    except webhooks.AddressRefused:
        said = _("Write an address such as https://logs.example.com/portico, without user, password and #.")
        raise LoggingRefused("url", said) from None
    return rules.url


def is_authorization(text: str) -> bool:
    """Whether it can stand in a header."""
    return len(text) <= MAX_AUTHORIZATION and headers.is_value(text)


# --- what is never told ----------------------------------------------------------------------------------------------


def is_hidden(header: str) -> bool:
    """Whether the value of such a header is never told."""
    return header not in _NO_CREDENTIAL and bool(_CREDENTIAL.search(header))


def is_hidden_in_queries(name: str) -> bool:
    return bool(_IN_QUERIES.search(name))


def without_credentials(text: str) -> str:
    """With what looks like one replaced."""
    return _LOOKS.sub(MASKED, text)
