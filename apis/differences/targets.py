"""What differs in where calls go. Whether a secret is another one is not told: both are sealed. A client certificate is told by its
fingerprint.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from apis.balancing import Balancing, Further
from apis.connections import Connection
from apis.differences.saying import Change, Saying, Translate


class Target(Protocol):
    """An upstream; as a text it is its address."""

    @property
    def connect_timeout_ms(self) -> int: ...
    @property
    def timeout_ms(self) -> int: ...
    @property
    def header(self) -> str: ...
    @property
    def connects(self) -> Connection: ...
    @property
    def balances(self) -> Balancing: ...


def target_changes(was: Target | None, now: Target | None, *, gettext: Translate = str) -> Iterator[Change]:
    """:param was: None where gateways answer from examples, in place of an upstream."""
    by = Saying(gettext).by
    if was is None or now is None:
        if was is not None:
            yield by("upstream-removed", was=str(was))
        elif now is not None:
            yield by("upstream-added", now=str(now))
        return
    if str(was) != str(now):
        yield by("upstream-changed", was=str(was), now=str(now))
    if was.connect_timeout_ms != now.connect_timeout_ms:
        what = "decreased" if now.connect_timeout_ms < was.connect_timeout_ms else "increased"
        yield by(f"upstream-connect-timeout-{what}", was=was.connect_timeout_ms, now=now.connect_timeout_ms)
    if was.timeout_ms != now.timeout_ms:
        what = "decreased" if now.timeout_ms < was.timeout_ms else "increased"
        yield by(f"upstream-timeout-{what}", was=was.timeout_ms, now=now.timeout_ms)
    if was.header != now.header:
        if was.header:
            yield by("upstream-header-removed", was=was.header)
        if now.header:
            yield by("upstream-header-added", now=now.header)
    elif was.header and not was.connects.proves_as(now.connects):
        yield by("upstream-credential-changed", was=_proof(was.connects), now=_proof(now.connects))
    if not was.connects.trusts_as(now.connects):
        yield by("upstream-tls-changed")
    yield from _client_certificate(was.connects, now.connects, by)
    if was.connects.strip_path != now.connects.strip_path:
        yield by("upstream-strip-path-changed", was=was.connects.strip_path or "/", now=now.connects.strip_path or "/")
    yield from _of_balances(was, now, by)


def _of_balances(was: Target, now: Target, by: Callable[..., Change]) -> Iterator[Change]:
    before, after = was.balances, now.balances
    if [before.weight, *map(_share, before.further)] != [after.weight, *map(_share, after.further)]:
        yield by("upstream-shares-changed", was=_shared_by(was), now=_shared_by(now))
    if before.check != after.check:
        what = "changed" if before.check and after.check else "added" if after.check else "removed"
        yield by(f"upstream-health-check-{what}", was=str(before.check), now=str(after.check))


def _shared_by(target: Target) -> str:
    balances = target.balances
    return ", ".join([f"{target} {balances.weight}", *map(_share, balances.further)]) if balances.further else str(target)


def _share(further: Further) -> str:
    return f"{further} {further.weight}"


def _client_certificate(was: Connection, now: Connection, by: Callable[..., Change]) -> Iterator[Change]:
    if was.client_certificate == now.client_certificate:
        return
    old, new = _fingerprint(was), _fingerprint(now)
    if not old:
        yield by("upstream-client-certificate-added", now=new)
    elif not new:
        yield by("upstream-client-certificate-removed", was=old)
    elif old != new:
        yield by("upstream-client-certificate-changed", was=old, now=new)
    else:
        yield by("upstream-client-certificate-chain-changed")


def _fingerprint(connects: Connection) -> str:
    return next((each.fingerprint for each in connects.client_certificates), "")


def _proof(connects: Connection) -> str:
    return f"{connects.credential} {connects.user}".strip()
