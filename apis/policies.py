"""What an API's gateway asks of calls before they pass, and does to them: policies, each in one spelling, kept as JSON.

Pure. docs/policies.md explains each to publishers.
"""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self, TypeAlias

from apis import headers

MOST_NETWORKS = 100
# 1 GiB.
MOST_KIB = 1_048_576
MOST_CALLS = 1_000_000
# In what time a ceiling counts: a second or a minute.
CEILING_SECONDS = (1, 60)
MOST_RETRIES = 3
MOST_HEADERS = 20
# Of all that one policy names or sets: every route of the API carries them.
MOST_CHARACTERS = 2_000
MAX_LENGTH = 60
Pairs: TypeAlias = tuple[tuple[str, str], ...]
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever catches the refusal translates it, this module knows no framework."""
    return sentence


class PolicyRefused(ValueError):  # noqa: N818  (reads as the sentence it is)
    """A policy that no gateway could hold. `named` fills the placeholders of `sentence`, in whatever language that is."""

    def __init__(self, sentence: str, **named: object) -> None:
        super().__init__(sentence % named)
        self.sentence, self.named = sentence, named
        # Of Policies; whoever reads one field alone knows it.
        self.field = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """What nobody has set does nothing, so an API begins with none.

    `ip_allow`: networks (RFC 4632, RFC 4291) whose callers alone may call, () for everybody's; `ip_deny`: whose may not, whatever
    `ip_allow` says. `max_body_kib`: how large the body of a call may be, in KiB; 0 sets no limit. `max_calls`: how many calls pass in
    `max_calls_seconds`, of all callers together; 0 sets no limit.

    `set_request_headers` and `set_response_headers`: names in lower case with the value that they get in place of any other; the
    headers of `remove_request_headers` and `remove_response_headers` are taken off before.

    `retries`: how often a call that failed at the upstream is tried again, while at most `retry_percent` of the calls under way are such.
    `streaming`: an answer may take as long as it likes, as long as it does not fall silent. `compress`: answers are, for callers that
    say they take it.
    """

    ip_allow: tuple[str, ...] = ()
    ip_deny: tuple[str, ...] = ()
    max_body_kib: int = 0
    max_calls: int = 0
    max_calls_seconds: int = 1
    set_request_headers: Pairs = ()
    remove_request_headers: tuple[str, ...] = ()
    set_response_headers: Pairs = ()
    remove_response_headers: tuple[str, ...] = ()
    retries: int = 0
    retry_percent: int = 20
    streaming: bool = False
    compress: bool = False

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """As `as_json` left it; also what a version of Portico left that knew fewer policies, or more."""
        return cls(**{each.name: _frozen(kept[each.name]) for each in fields(cls) if each.name in kept})

    def as_json(self) -> dict[str, Any]:
        """What is set, and nothing else."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name)) != each.default}

    def told(self) -> dict[str, Any]:
        """The same for the audit, which names headers and not their values: they may be somebody's secret after all."""
        return {name: [each for each, _value in value] if name in SETTING else value for name, value in self.as_json().items()}

    def changed(self, given: Mapping[str, Any]) -> Self:
        """With what is given in place of what was, each in its normal form.

        :raises PolicyRefused: the first that can't be; its `field` names it.
        """
        found = {}
        for name, value in given.items():
            try:
                found[name] = _NORMAL[name](value)
            except PolicyRefused as refused:
                refused.field = name
                raise
        return replace(self, **found)


NONE = Policies()


def networks(given: Sequence[str]) -> tuple[str, ...]:
    """Each in its normal form, IPv4 first, none twice.

    :raises PolicyRefused: one that is none, or too many.
    """
    found = sorted({network(text) for text in given}, key=lambda each: (each.version, each))
    if len(found) > MOST_NETWORKS:
        raise PolicyRefused(_("These are %(count)s networks; a list may have %(most)s."), count=len(found), most=MOST_NETWORKS)
    return tuple(map(str, found))


def network(text: str) -> Network:
    """An address, or a network in CIDR notation.

    :raises PolicyRefused: anything else, with the reason.
    """
    given = text.strip()
    shown = given[:MAX_LENGTH]
    address, slash, length = given.partition("/")
    try:
        # Netmasks in words of their own are as often wrong as right: 0.0.0.255 reads as /24.
        if "%" in given or (slash and not (length.isascii() and length.isdigit())):
            raise ValueError
        found = ipaddress.ip_network(given, strict=False)
    except ValueError:
        said = _("“%(network)s” is neither an IP address nor a network; write for example 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32.")
        raise PolicyRefused(said, network=shown) from None
    if found.network_address != ipaddress.ip_address(address):
        raise PolicyRefused(_("“%(network)s” names one address of a network; for all of it write %(whole)s."), network=shown, whole=found)
    if isinstance(found, ipaddress.IPv6Network) and found.network_address.ipv4_mapped is not None:
        raise PolicyRefused(_("“%(network)s” is an IPv4 address in IPv6 notation; write it as IPv4."), network=shown)
    return found


def size(kib: int) -> int:
    """
    :raises PolicyRefused: no size, or one beyond what is sensible.
    """
    if not 0 <= kib <= MOST_KIB:
        raise PolicyRefused(_("A body's limit is a number of KiB from 1 to %(most)s, or 0 for none."), most=MOST_KIB)
    return kib


def ceiling(calls: int) -> int:
    """
    :raises PolicyRefused: no number of calls, or one beyond what a gateway counts.
    """
    if not 0 <= calls <= MOST_CALLS:
        raise PolicyRefused(_("A ceiling is from 1 to %(most)s calls, or 0 for none."), most=MOST_CALLS)
    return calls


def ceiling_seconds(seconds: int) -> int:
    """
    :raises PolicyRefused: another time.
    """
    if seconds not in CEILING_SECONDS:
        raise PolicyRefused(_("A ceiling counts in a second or in a minute: 1 or 60."))
    return seconds


def few_retries(count: int) -> int:
    """
    :raises PolicyRefused: more than help anybody.
    """
    if not 0 <= count <= MOST_RETRIES:
        raise PolicyRefused(_("A call is tried again at most %(most)s times; 0 is never."), most=MOST_RETRIES)
    return count


def percent(share: int) -> int:
    """
    :raises PolicyRefused: no share.
    """
    if not 1 <= share <= 100:
        raise PolicyRefused(_("A share is from 1 to 100 percent."))
    return share


def set_in_requests(given: Mapping[str, str]) -> Pairs:
    """
    :raises PolicyRefused: the first name or value that can't be, or too many.
    """
    return _pairs(given, name_in_requests)


def set_in_responses(given: Mapping[str, str]) -> Pairs:
    return _pairs(given, name_in_responses)


def removed_from_requests(given: Sequence[str]) -> tuple[str, ...]:
    return _names(given, name_in_requests)


def removed_from_responses(given: Sequence[str]) -> tuple[str, ...]:
    return _names(given, name_in_responses)


def name_in_requests(text: str) -> str:
    """A header's name, in lower case.

    :raises PolicyRefused: none, or one that is HTTP's own or the gateway's.
    """
    name = _name(text)
    if name in headers.CREDENTIALS:
        raise PolicyRefused(_("%(header)s is the caller's proof; an upstream's own secret is set with its address."), header=name)
    if headers.is_reserved_in_requests(name):
        raise PolicyRefused(_RESERVED, header=name)
    return name


def name_in_responses(text: str) -> str:
    name = _name(text)
    if headers.is_reserved_in_responses(name):
        raise PolicyRefused(_RESERVED, header=name)
    return name


_RESERVED = _("The header %(header)s belongs to HTTP or to the gateway; choose another.")


def value(name: str, text: str) -> str:
    """
    :raises PolicyRefused: what no header can have.
    """
    if not headers.is_value(found := text.strip()):
        raise PolicyRefused(_("The value of %(header)s is empty, or has characters other than printable ASCII."), header=name)
    return found


def _name(text: str) -> str:
    if not headers.NAME.fullmatch(name := text.strip()):
        raise PolicyRefused(_("“%(header)s” is not a header's name."), header=name[:MAX_LENGTH])
    return name.lower()


def _names(given: Sequence[str], read: Callable[[str], str]) -> tuple[str, ...]:
    found = tuple(sorted({read(text) for text in given}))
    _few(len(found), sum(map(len, found)))
    return found


def _pairs(given: Mapping[str, str], read: Callable[[str], str]) -> Pairs:
    found: dict[str, str] = {}
    for text, said in given.items():
        if (name := read(text)) in found:
            raise PolicyRefused(_("%(header)s is set twice; a header gets one value."), header=name)
        found[name] = value(name, said)
    _few(len(found), sum(len(name) + len(said) for name, said in found.items()))
    return tuple(sorted(found.items()))


def _few(count: int, characters: int) -> None:
    if count > MOST_HEADERS:
        raise PolicyRefused(_("These are %(count)s headers; at most %(most)s may be."), count=count, most=MOST_HEADERS)
    if characters > MOST_CHARACTERS:
        said = _("These headers have %(characters)s characters together; at most %(most)s may be.")
        raise PolicyRefused(said, characters=characters, most=MOST_CHARACTERS)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


SETTING = ("set_request_headers", "set_response_headers")
_NORMAL: dict[str, Callable[[Any], Any]] = {
    "ip_allow": networks,
    "ip_deny": networks,
    "max_body_kib": size,
    "max_calls": ceiling,
    "max_calls_seconds": ceiling_seconds,
    "set_request_headers": set_in_requests,
    "remove_request_headers": removed_from_requests,
    "set_response_headers": set_in_responses,
    "remove_response_headers": removed_from_responses,
    "retries": few_retries,
    "retry_percent": percent,
    "streaming": bool,
    "compress": bool,
}
