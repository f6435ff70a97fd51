"""A document at an address: fetched by the guarded client, which calls public addresses over https alone.

What it leads on to is looked at as the address itself was. Never under a lock: it takes up to 20 seconds.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, urljoin, urlsplit

from django.utils.translation import gettext_lazy

from apis.openapi_source import DocumentError, decode
from keys import fetching
from tenants import addresses

SECONDS = 20
MAX_BYTES = 16 * 1024 * 1024
MAX_URL = 500
MAX_ETAG = 200
REDIRECTS = {301, 302, 303, 307, 308}
MOST_REDIRECTS = 3
ACCEPT = "application/yaml, application/json, text/yaml, text/plain, */*;q=0.5"


class Trouble(StrEnum):
    """What can stand in the way, as it is kept; `SENTENCES` say it."""

    SHAPE = "shape"
    NO_HTTPS = "no_https"
    NOT_ONLY = "not_only"
    FORBIDDEN = "forbidden"
    SLOW = "slow"
    LARGE = "large"
    UNTRUSTED = "untrusted"
    SILENT = "silent"
    ELSEWHERE = "elsewhere"
    ROUND = "round"
    MISSING = "missing"
    DENIED = "denied"
    STATUS = "status"
    PACKED = "packed"
    PAGE = "page"
    NO_TEXT = "no_text"


SENTENCES = {
    Trouble.SHAPE: gettext_lazy("Write an address such as https://orders.example.com/openapi.yaml, in ASCII without spaces."),
    Trouble.NO_HTTPS: gettext_lazy("The address of a document begins with https:// and a host name."),
    Trouble.NOT_ONLY: gettext_lazy("Leave user, password and what follows a # out of the address."),
    Trouble.FORBIDDEN: gettext_lazy("%(host)s has no public address that a document could be fetched from."),
    Trouble.SLOW: gettext_lazy("%(host)s did not answer with all of the document within %(seconds)s seconds."),
    Trouble.LARGE: gettext_lazy("The document at %(host)s is larger than 16 MB."),
    Trouble.UNTRUSTED: gettext_lazy("%(host)s could not be trusted: its certificate is not valid for it."),
    Trouble.SILENT: gettext_lazy("%(host)s did not answer, or not as a web server does."),
    Trouble.ELSEWHERE: gettext_lazy("%(host)s leads on to an address that no document is fetched from."),
    Trouble.ROUND: gettext_lazy("%(host)s leads on to other addresses more than %(most)s times."),
    Trouble.MISSING: gettext_lazy("%(host)s has nothing at this address: it answered %(status)s."),
    Trouble.DENIED: gettext_lazy("%(host)s does not give the document to everyone: it answered %(status)s, and Portico does not sign in."),
    Trouble.STATUS: gettext_lazy("%(host)s answered %(status)s instead of a document."),
    Trouble.PACKED: gettext_lazy("%(host)s sent the document compressed, although that was not asked for."),
    Trouble.PAGE: gettext_lazy("%(host)s answered with a web page. Give the address of the document itself."),
    Trouble.NO_TEXT: gettext_lazy("What %(host)s answered is no text in UTF-8."),
}


class FetchRefused(ValueError):  # noqa: N818  (reads as the sentence it is)
    """No document came. As a string it is a sentence in the reader's language, which tells nothing of networks behind us.

    `named` is ready for JSON.
    """

    def __init__(self, trouble: Trouble, **named: str | int) -> None:
        super().__init__(trouble)
        self.trouble, self.named = trouble, named

    def __str__(self) -> str:
        return sentence(self.trouble, self.named)


def sentence(trouble: str, named: Mapping[str, str | int]) -> str:
    return str(SENTENCES[Trouble(trouble)]) % named


@dataclass(frozen=True, slots=True)
class Fetched:
    """`etag` is "" where the server sent none that could be sent back."""

    text: str
    etag: str = ""


def check_address(url: str) -> SplitResult:
    """
    :raises FetchRefused: no address that a document is fetched from.
    """
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise FetchRefused(Trouble.SHAPE)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise FetchRefused(Trouble.SHAPE) from None
    if parts.scheme != "https" or addresses.host(parts.hostname or "") is None or port == 0:
        raise FetchRefused(Trouble.NO_HTTPS)
    if parts.username is not None or parts.password is not None or "#" in url:
        raise FetchRefused(Trouble.NOT_ONLY)
    return parts


def host_of(url: str) -> str:
    """As it is shown: an address may hold what not everyone should read."""
    return addresses.host(urlsplit(url).hostname or "") or ""


def fetch(url: str, *, etag: str = "", resolver: addresses.Resolver = addresses.look_up) -> Fetched | None:
    """The text that stands there now; None if it is still the one that came with `etag` (RFC 9110 §13.1.2).

    :raises FetchRefused: whatever stands in the way.
    """
    parts, until = check_address(url), time.monotonic() + SECONDS
    headers = {"If-None-Match": etag} if etag else {}
    for _hop in range(MOST_REDIRECTS + 1):
        host = host_of(parts.geturl())
        answer = _call(parts, headers, until, resolver)
        if answer.status not in REDIRECTS:
            return _text(host, answer, asked=bool(etag))
        try:
            parts = check_address(urljoin(parts.geturl(), answer.headers.get("location", "")))
        except ValueError:
            raise FetchRefused(Trouble.ELSEWHERE, host=host) from None
    raise FetchRefused(Trouble.ROUND, host=host_of(url), most=MOST_REDIRECTS)


def _call(parts: SplitResult, headers: Mapping[str, str], until: float, resolver: addresses.Resolver) -> fetching.Answer:
    left = max(0.1, until - time.monotonic())
    try:
        return fetching.call("GET", parts, accept=ACCEPT, headers=headers, seconds=left, most_bytes=MAX_BYTES, resolver=resolver)
    except fetching.Unreachable as error:
        raise FetchRefused(Trouble(error.why.value), host=error.host, seconds=SECONDS) from None


def _text(host: str, answer: fetching.Answer, *, asked: bool) -> Fetched | None:
    if answer.status == 304 and asked:
        return None
    if answer.status in {404, 410}:
        raise FetchRefused(Trouble.MISSING, host=host, status=answer.status)
    if answer.status in {401, 403, 407}:
        raise FetchRefused(Trouble.DENIED, host=host, status=answer.status)
    if answer.status != 200:
        raise FetchRefused(Trouble.STATUS, host=host, status=answer.status)
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchRefused(Trouble.PACKED, host=host)
    if answer.headers.get("content-type", "").lower().startswith(("text/html", "application/xhtml")):
        raise FetchRefused(Trouble.PAGE, host=host)
    try:
        text = decode(answer.body, most_bytes=MAX_BYTES)
    except DocumentError:
        raise FetchRefused(Trouble.NO_TEXT, host=host) from None
    if "\x00" in text:
        raise FetchRefused(Trouble.NO_TEXT, host=host)
    etag = answer.headers.get("etag", "")
    keeps = len(etag) <= MAX_ETAG and etag.isascii() and etag.isprintable()
    return Fetched(text.replace("\r\n", "\n"), etag if keeps else "")
