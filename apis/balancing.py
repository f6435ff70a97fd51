"""How an upstream's calls are spread: over its address and further targets, and only over those that answer checks of their health.

Kept as JSON, in one spelling. Pure. docs/upstreams.md explains it to publishers.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from apis.connections import ConnectionRefused
from apis.upstreams import Address
from tenants import addresses

# Beside the upstream's own address. Each may have upstreams.MAX_ADDRESSES, and each of those is an endpoint that is checked.
MOST_TARGETS = 9
MOST_WEIGHT = 100
MOST_PATH = 200
# Seconds. A check more often is a load, one more seldom tells too late.
INTERVALS = (5, 300)
# Milliseconds. A gateway acknowledges a cluster after its first checks, see gateway.delivery, so it must not wait for long.
TIMEOUTS_MS = (100, 5_000)
IN_A_ROW = (1, 10)
STATUSES = (200, 399)
# Of what `read` takes.
HEALTH = ("health_path", "health_interval", "health_timeout_ms", "health_failures", "health_successes", "health_status")
NAMES = ("weight", "further_targets", *HEALTH)
# What has one spelling in a path (RFC 3986 §2.3); "/health" and "/health/" are two.
_PATH = re.compile(r"/(?:[A-Za-z0-9._~-]+/)*[A-Za-z0-9._~-]*")
_RANGE = re.compile(r"([1-9][0-9]{2})(?:-([1-9][0-9]{2}))?")
_LINE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+)(?::([0-9]{1,5}))?(?:\s+([0-9]{1,3}))?")


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever catches the refusal translates it, this module knows no framework."""
    return sentence


@dataclass(frozen=True, slots=True)
class Further:
    """A target beside the upstream's address. `weight`: its share of the calls, 0 for none. `addresses`: what its name led to last, kept
    apart from the rest.
    """

    host: str
    port: int
    weight: int = 1
    addresses: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def address(self) -> Address:
        """What is looked up."""
        return Address("", self.host, self.port, "")

    def as_json(self) -> dict[str, Any]:
        return {"host": self.host, "port": self.port, "weight": self.weight}


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """A GET of `path` every `interval` seconds at each address. After `failures` checks in a row without an answer within `timeout_ms`, or
    with another status than `status` has, it gets no calls until `successes` in a row went well. `status`: "200", or "200-299".
    """

    path: str
    interval: int = 10
    timeout_ms: int = 2_000
    failures: int = 3
    successes: int = 2
    status: str = "200-299"

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """As it was kept; also by a version of Portico that knew less, or more."""
        return cls(**{each.name: kept[each.name] for each in fields(cls) if each.name in kept})

    @property
    def statuses(self) -> tuple[int, int]:
        """The first and the last."""
        first, _dash, last = self.status.partition("-")
        return int(first), int(last or first)

    def __str__(self) -> str:
        """In the form that differences tell it in."""
        return f"GET {self.path} {self.status}, {self.interval} s, {self.timeout_ms} ms, {self.failures}/{self.successes}"


# Of a check that nobody has set.
BY_ITSELF = HealthCheck(path="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancing:
    """`weight`: the share of the upstream's own address, where there are `further` targets. `check`: None where nobody looks."""

    weight: int = 1
    further: tuple[Further, ...] = ()
    check: HealthCheck | None = None

    @classmethod
    def of(cls, kept: Mapping[str, Any], found: Sequence[Sequence[str]] = ()) -> Self:
        """As `as_json` left it, with the addresses of the further targets in their order."""
        further = kept.get("further", [])
        found = [*found, *[()] * len(further)]
        return cls(
            weight=kept.get("weight", 1),
            further=tuple(Further(each["host"], each["port"], each["weight"], tuple(found[at])) for at, each in enumerate(further)),
            check=HealthCheck.of(kept["check"]) if "check" in kept else None,
        )

    def as_json(self) -> dict[str, Any]:
        """What is not as it is by itself, and nothing else."""
        told: dict[str, Any] = {"weight": self.weight} if self.weight != 1 else {}
        if self.further:
            told["further"] = [each.as_json() for each in self.further]
        if self.check:
            told["check"] = asdict(self.check)
        return told

    def places(self, host: str, port: int) -> set[tuple[str, int]]:
        """Wherever calls go to, or would as soon as a weight is changed, beside the upstream's own host and port."""
        return {(host, port), *((each.host, each.port) for each in self.further)}

    @property
    def looks(self) -> HealthCheck:
        """The check, or what one would be."""
        return self.check or BY_ITSELF

    @property
    def given(self) -> dict[str, Any]:
        """As `read` takes it."""
        check = asdict(self.looks)
        further = [each.as_json() for each in self.further]
        return {"weight": self.weight, "further_targets": further, **{f"health_{name}": value for name, value in check.items()}}


NONE = Balancing()


def read(
    address: Address,
    *,
    weight: int = 1,
    further_targets: Iterable[Mapping[str, Any]] = (),
    health_path: str = "",
    health_interval: int = BY_ITSELF.interval,
    health_timeout_ms: int = BY_ITSELF.timeout_ms,
    health_failures: int = BY_ITSELF.failures,
    health_successes: int = BY_ITSELF.successes,
    health_status: str = BY_ITSELF.status,
) -> Balancing:
    """
    :param address: the upstream's own, whose port the others have where they name none.
    :param further_targets: members `host`, perhaps `port` and `weight`.
    :raises ConnectionRefused: the first that can't be.
    """
    further = tuple(_further(each, address) for each in further_targets)
    if len(further) > MOST_TARGETS:
        said = _("These are %(many)s further targets; at most %(most)s may be.")
        raise ConnectionRefused("further_targets", said, many=len(further), most=MOST_TARGETS)
    seen = {(address.host, address.port)}
    for each in further:
        if (each.host, each.port) in seen:
            raise ConnectionRefused("further_targets", _("%(target)s stands here twice; give it one weight."), target=each)
        seen.add((each.host, each.port))
    _within("weight", weight, (0, MOST_WEIGHT))
    if not (weight or any(each.weight for each in further)):
        raise ConnectionRefused("weight", _("One target at least has to have a weight above 0, or nothing answers."))
    check = None
    if path := health_path.strip():
        check = HealthCheck(
            path=_path(path),
            interval=_within("health_interval", health_interval, INTERVALS),
            timeout_ms=_within("health_timeout_ms", health_timeout_ms, TIMEOUTS_MS),
            failures=_within("health_failures", health_failures, IN_A_ROW),
            successes=_within("health_successes", health_successes, IN_A_ROW),
            status=_status(health_status.strip()),
        )
    return Balancing(weight=weight if further else 1, further=further, check=check)


def line(text: str) -> dict[str, Any]:
    """`b.example.com:8443 20` as `read` takes it; port and weight may be left out.

    :raises ConnectionRefused: anything else.
    """
    given = text.strip()
    try:
        return {"host": str(ipaddress.IPv6Address(given)), "port": None, "weight": 1}
    except ValueError:
        found = _LINE.fullmatch(given)
    if found is None:
        said = _("“%(line)s” is no target; write for example b.example.com:8443 20, with its weight last and without https://.")
        raise ConnectionRefused("further_targets", said, line=given[:60])
    host, port, weight = found.groups()
    return {"host": host.strip("[]"), "port": None if port is None else _port(int(port)), "weight": 1 if weight is None else int(weight)}


def as_line(given: Mapping[str, Any]) -> str:
    """What `line` reads again."""
    host = f"[{given['host']}]" if ":" in given["host"] else given["host"]
    return f"{host}:{given['port']} {given['weight']}" if given["port"] else f"{host} {given['weight']}"


def _further(given: Mapping[str, Any], address: Address) -> Further:
    text, port, weight = given["host"].strip(), given.get("port"), given.get("weight", 1)
    # In lower case some characters beyond ASCII are letters of it.
    host = addresses.host(text.lower()) if text.isascii() else None
    if host is None:
        raise ConnectionRefused("further_targets", _("“%(name)s” is neither a host name nor an IP address."), name=given["host"][:60])
    port = address.port if port is None else _port(port)
    if not 0 <= weight <= MOST_WEIGHT:
        said = _("%(target)s has the weight %(weight)s; it is 0 to %(most)s.")
        raise ConnectionRefused("further_targets", said, target=Further(host, port), weight=weight, most=MOST_WEIGHT)
    return Further(host, port, weight)


def _port(given: int) -> int:
    if not 1 <= given <= 65_535:
        raise ConnectionRefused("further_targets", _("%(port)s is no port; the highest is 65535."), port=given)
    return given


def _within(field: str, given: int, bounds: tuple[int, int]) -> int:
    least, most = bounds
    if not least <= given <= most:
        raise ConnectionRefused(field, _("Write a number from %(least)s to %(most)s."), least=least, most=most)
    return given


def _path(given: str) -> str:
    if len(given) > MOST_PATH or not _PATH.fullmatch(given) or {".", ".."} & set(given.split("/")):
        said = _("“%(path)s” is no path to check; write for example /healthz, with letters, digits and - . _ ~, and no query.")
        raise ConnectionRefused("health_path", said, path=given[:60])
    return given


def _status(given: str) -> str:
    found = _RANGE.fullmatch(given)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    least, most = STATUSES
    if not least <= first <= last <= most:
        said = _("“%(status)s” is no status of an answer that is well; write for example 200, or 200-299, up to 399.")
        raise ConnectionRefused("health_status", said, status=given[:60])
    return str(first) if first == last else f"{first}-{last}"
