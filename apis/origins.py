"""Origins in the one spelling that browsers send them in (RFC 6454 §6.1), so that gateways compare whole texts."""

import ipaddress
import re
from collections.abc import Sequence

# Every page of every site.
EVERY = "*"
MOST = 20
MAX_LENGTH = 300
# Of all together: every route of the API carries them.
MAX_TOGETHER = 1_000
_DEFAULT_PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]*\]|[^:\[\]]*)(?::(?P<port>.*))?")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever catches the refusal translates it, this module knows no framework."""
    return sentence


class OriginRefused(ValueError):  # noqa: N818  (reads as the sentence it is)
    """What no browser sends as an origin. `named` fills the placeholders of `sentence`, in whatever language that is."""

    def __init__(self, sentence: str, **named: object) -> None:
        super().__init__(sentence % named)
        self.sentence, self.named = sentence, named


def normal(origins: Sequence[str]) -> list[str]:
    """Each in its normal form, sorted, none twice.

    :raises OriginRefused: one that is none, too many, too long together, or `*` beside others.
    """
    found = sorted({EVERY if text.strip() == EVERY else origin(text) for text in origins})
    if len(found) > MOST:
        raise OriginRefused(_("These are %(count)s origins; an API may have %(most)s."), count=len(found), most=MOST)
    if (characters := sum(map(len, found))) > MAX_TOGETHER:
        raise OriginRefused(
            _("These origins have %(characters)s characters together; at most %(most)s may be."), characters=characters, most=MAX_TOGETHER
        )
    if EVERY in found and len(found) > 1:
        raise OriginRefused(_("* is every origin already; write it alone, or leave it out."))
    return found


def origin(text: str) -> str:
    """`scheme://host[:port]`, lower case, without the scheme's own port.

    :raises OriginRefused: anything else, with the reason.
    """
    given = text.strip()
    shown = given[:80]
    if not given:
        raise OriginRefused(_("An origin is missing; write for example https://shop.example."))
    if len(given) > MAX_LENGTH:
        raise OriginRefused(_("%(origin)s… is longer than %(most)s characters."), origin=shown, most=MAX_LENGTH)
    if not given.isascii():
        raise OriginRefused(
            _("%(origin)s has letters beyond ASCII; write the name as browsers send it, as in xn--bcher-kva.example."), origin=shown
        )
    if not given.isprintable() or " " in given or "\\" in given:
        raise OriginRefused(_("%(origin)s has a character that no origin has; write one origin at a time."), origin=shown)
    if given.lower() == "null":
        raise OriginRefused(_("null is what browsers send for pages without an origin; it can't be allowed."))
    if EVERY in given:
        raise OriginRefused(_("%(origin)s has a wildcard inside; name each origin, or write * alone for every one."), origin=shown)
    scheme, separator, rest = given.partition("://")
    if not separator or scheme.lower() not in _DEFAULT_PORTS:
        raise OriginRefused(_("%(origin)s does not begin with https:// or http://."), origin=shown)
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in host:
        raise OriginRefused(_("%(origin)s names a user; an origin is scheme, host and port."), origin=shown)
    if host != rest:
        raise OriginRefused(_("%(origin)s has a path; an origin ends after the host and port."), origin=shown)
    found = _AUTHORITY.fullmatch(host)
    if not found or not (name := _host(found["host"].lower())):
        raise OriginRefused(_("%(origin)s has no host that can be called; write for example https://shop.example."), origin=shown)
    if found["port"] is not None and not _is_port(found["port"]):
        raise OriginRefused(_("%(origin)s has no port from 1 to 65535 after the colon."), origin=shown)
    port = int(found["port"] or _DEFAULT_PORTS[scheme.lower()])
    return f"{scheme.lower()}://{name}" + (f":{port}" if port != _DEFAULT_PORTS[scheme.lower()] else "")


def of_address(url: str) -> str:
    """The origin of a page at this address, "" where it is none that browsers send."""
    try:
        return origin("/".join(url.split("/")[:3]))
    except OriginRefused:
        return ""


def _host(text: str) -> str:
    """As browsers write it, "" if it is none."""
    if text.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(text[1:-1]).compressed}]"
        except ValueError:
            return ""
    labels = text.removesuffix(".").split(".")
    return text if len(text) <= 253 and all(map(_LABEL.fullmatch, labels)) and not _is_no_address(text) else ""


def _is_port(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,5}", text)) and 0 < int(text) < 65_536


def _is_no_address(name: str) -> bool:
    """The last label is a number, which only an IPv4 address has (WHATWG URL §3.5), and it is none that browsers write."""
    if not re.fullmatch(r"[0-9]+|0x[0-9a-f]*", name.removesuffix(".").rpartition(".")[2]):
        return False
    try:
        return str(ipaddress.IPv4Address(name)) != name
    except ValueError:
        return True
