"""An audit as a file that proves itself: what stands in it, and whether anybody has changed it since.

Each line is canonical JSON: a header, the events in order, the signed head of the chain after the event that it was signed at, and an end
that is signed over the rest. Verifying needs the file and the public keys, nothing of Portico. `python -m keys.audit_proof FILE KEYS`
is the same as `manage.py verify_audit`.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from keys.tokens import Key

FORMAT = "portico-audit/1"
# What stands in `typ` (RFC 8725 §3.11): no token has one of these.
HEAD, END = "portico-audit-head+jwt", "portico-audit-export+jwt"
# The chain of what happens outside any tenant; a tenant's is named by its id.
PLATFORM = "platform"
START = "0" * 64
ALG = "ES256"
FIELDS = (
    "id", "number", "at", "kind", "actor_id", "actor_name", "subject_type", "subject_id", "subject_name", "data", "ip", "user_agent",
    "request_id", "previous", "digest",
)  # fmt: skip
# So many faults are told one by one.
MOST = 20
# The end names each signed head; a century of them fits.
_LAST_LINE = 1024 * 1024

Claims = dict[str, Any]


# What stands in a file


def canonical(value: object) -> str:
    """JSON with sorted keys, no spaces and UTF-8; times with microseconds, ids as text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_canonical)


def _canonical(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no canonical form.")


def digest_of(event: Mapping[str, Any], *, chain: str) -> str:
    """SHA-256 in hex over the canonical JSON of the chain's name and all of the event but its digest."""
    fields = {name: value for name, value in event.items() if name != "digest"}
    return hashlib.sha256(canonical({"chain": chain, **fields}).encode()).hexdigest()


def sha256(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def sign(claims: Mapping[str, Any], key: Key, *, kind: str) -> str:
    """A compact JWS (RFC 7515 §7.1) with `typ`."""
    header = {"alg": key.alg, "kid": key.kid, "typ": kind}
    return jws.serialize_compact(header, canonical(claims).encode(), key.private, algorithms=[key.alg])


class Forged(ValueError):  # noqa: N818  (reads as the sentence it is)
    """A signature that proves nothing, and why."""


def opened(token: object, keys: Mapping[str, ECKey] | None, *, kind: str) -> Claims:
    """What was signed.

    :param keys: the public ones by their id; None reads without proof.
    :raises Forged: with the reason, as the end of a sentence.
    """
    if not isinstance(token, str) or token.count(".") != 2:
        raise Forged("it is no JWS")
    try:
        found = jws.extract_compact(token.encode())
        header, claims = found.headers(), json.loads(found.payload)
    except (JoseError, ValueError, KeyError, TypeError, RecursionError):
        raise Forged("it is no JWS") from None
    if header.get("typ") != kind or not isinstance(claims, dict):
        raise Forged("it is signed as something else")
    if keys is not None:
        _verify(token, header, keys)
    return claims


def _verify(token: str, header: Mapping[str, Any], keys: Mapping[str, ECKey]) -> None:
    key = keys.get(str(header.get("kid")))
    if key is None:
        raise Forged("its key is none of the public keys at hand")
    try:
        jws.deserialize_compact(token, key, algorithms=[ALG])
    except (JoseError, ValueError):
        raise Forged("its signature doesn't fit") from None


def read_keys(text: str) -> dict[str, ECKey]:
    """The public keys of a JWKS (RFC 7517 §5), by their ids.

    :raises ValueError: it is none.
    """
    try:
        return {str(key["kid"]): ECKey.import_key(key) for key in json.loads(text)["keys"]}
    except (JoseError, ValueError, KeyError, TypeError):
        raise ValueError("This is no JWKS with the audit's public keys.") from None


# Verifying


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, at which line of the file, and with which event where it is one's."""

    line: int
    number: int | None
    says: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.says}"


@dataclass(frozen=True, slots=True)
class Report:
    """`faults` are the first MOST of `count`. `chain` names whose events these are, "" where nothing says it."""

    faults: list[Fault]
    count: int
    chain: str
    tenant: str
    events: int
    first: int
    last: int
    heads: int
    signed: bool

    def __str__(self) -> str:
        """In sentences, a line each."""
        if self.count:
            more = [f"… and {self.count - len(self.faults):,} more."] if self.count > len(self.faults) else []
            return "\n".join([*map(str, self.faults), *more])
        told = f"{self.events:,} events from {self.first:,} to {self.last:,} hold; signed heads: {self.heads:,}."
        return told if self.signed else f"{told} No signature was checked: name the public keys, too."


def verify(file: BinaryIO, keys: Mapping[str, ECKey] | None) -> Report:
    """
    :param file: an export, as bytes that can be read twice.
    :param keys: the public keys; without them only the chain is checked.
    """
    walk = _Walk(keys, _last_line(file))
    file.seek(0)
    before = None
    for line in file:
        if before is not None:
            walk.take(before, is_last=False)
        before = line
    if before is not None:
        walk.take(before, is_last=True)
    return walk.close()


def _last_line(file: BinaryIO) -> bytes:
    size = file.seek(0, 2)
    file.seek(max(0, size - _LAST_LINE))
    return file.read().splitlines(keepends=True)[-1] if size else b""


class _Walk:
    """Line after line. What the end was signed over is known from the beginning, so each line is held against it."""

    def __init__(self, keys: Mapping[str, ECKey] | None, last_line: bytes) -> None:
        self.keys = keys
        self.faults: list[Fault] = []
        self.count = self.line = self.events = self.heads = 0
        self.header: Claims = {}
        self.end: Claims = {}
        self.end_forged = ""
        try:
            self.end = _whole(opened((_parsed(last_line) or {}).get("end"), keys, kind=END))
        except Forged as why:
            self.end_forged = str(why)
        self.due = [number for number in reversed(self.end.get("heads", [])) if isinstance(number, int)]
        # The event before, and what its digest would have to be; None where what stands there can't be trusted.
        self.before: Claims | None = None
        self.computed = ""
        self.head_of = 0
        # The numbers that may come next: more than one after something that did not belong.
        self.next: list[int] = [self.end["first"]] if self.end else []
        self.first = self.last = 0

    def fault(self, says: str, number: int | None = None) -> None:
        self.count += 1
        if len(self.faults) < MOST:
            self.faults.append(Fault(self.line, number, says))

    @property
    def chain(self) -> str:
        return str(self.end.get("chain") or self.header.get("chain") or "")

    def take(self, raw: bytes, *, is_last: bool) -> None:
        self.line += 1
        found = _parsed(raw)
        if found is None:
            self._unreadable()
        elif "format" in found:
            self._header(raw, found)
        elif self.line == 1:
            self.fault("the header is missing: it belongs here.")
        if found is None or "format" in found:
            return
        if "end" in found:
            self._end(is_last=is_last)
        elif "head" in found:
            self._head(found["head"])
        else:
            self._event(found)

    def _unreadable(self) -> None:
        if self.line == 1:
            self.fault("the header was changed: it can't be read.")
            return
        where = f" Event {self.next[0]} belongs here." if self.next and not self._all_there() else ""
        self.fault(f"this was changed: it can't be read as Portico writes it.{where}", self.next[0] if self.next else None)
        self._skip()

    def _skip(self) -> None:
        if self.next:
            self.next = [self.next[0] + 1, self.next[0]]
        self.before = None

    def _all_there(self) -> bool:
        return bool(self.end) and bool(self.next) and self.next[0] > self.end["last"]

    def _header(self, raw: bytes, found: Claims) -> None:
        if self.line > 1:
            self.fault("a header stands here; it belongs into line 1.")
            return
        self.header = found
        if found["format"] != FORMAT:
            self.fault(f"this is no {FORMAT}.")
        elif self.end and sha256(raw.decode().removesuffix("\n")) != self.end["header"]:
            self.fault("the header was changed: it is not the one that the end was signed over.")
        if not self.next and isinstance(found.get("first"), int):
            self.next = [found["first"]]

    def _event(self, event: Claims) -> None:
        number = event.get("number")
        if type(number) is not int or set(event) != set(FIELDS):
            self.fault("this was changed: it is no event.", self.next[0] if self.next else None)
            self._skip()
            return
        self.events += 1
        if number in self.next:
            self._missing_head(number)
        follows = self._in_order(number)
        self.computed = digest_of(event, chain=self.chain)
        if self.chain and self.computed != event["digest"]:
            self.fault(f"event {number} was changed: its digest is {self.computed}, and {event['digest']} stands here.", number)
        elif follows and self.before is not None:
            self._linked(event, number)
        if self.end and number == self.end["first"] and event["previous"] != self.end["previous"]:
            self.fault(f"event {number} was changed: the end was signed over another digest before it.", number)
        if self.end and number == self.end["last"] and event["digest"] != self.end["digest"]:
            self.fault(f"event {number} was changed: the end was signed over another digest of it.", number)
        self.before = event
        self.first, self.last = self.first or number, number

    def _in_order(self, number: int) -> bool:
        """Whether it follows the event before it by its number."""
        follows = self.before is not None and number == self.before["number"] + 1
        if not self.next or number in self.next:
            self.next = [number + 1]
            return follows
        wanted = self.next[0]
        if self._all_there():
            self.fault(f"event {number} stands here, after the last that the end was signed over, {self.end['last']}.", number)
        elif number < wanted:
            self.fault(f"event {number} stands here, where event {wanted} belongs; it stands twice, or out of its order.", number)
        else:
            missing = f"event {wanted} is" if number == wanted + 1 else f"events {wanted} to {number - 1} are"
            self.fault(f"event {number} stands here, where event {wanted} belongs; {missing} missing, or out of order.", number)
        self.next = [wanted + 1, number + 1, wanted]
        return follows

    def _linked(self, event: Claims, number: int) -> None:
        assert self.before is not None
        if event["previous"] != self.before["digest"]:
            said = f"event {number} follows another event {number - 1} than the one before this line: one of the two was changed."
            self.fault(said, number)

    def _missing_head(self, number: int) -> None:
        """Of events before this one every head has come by now."""
        while self.due and self.due[-1] < number:
            self.fault(f"the signed head of event {self.due.pop()} is missing; it belongs before this line.", None)

    def _head(self, token: object) -> None:
        try:
            claims = opened(token, self.keys, kind=HEAD)
        except Forged as why:
            self.fault(f"this signed head was changed: {why}.")
            # It stands here, however it is: it is not missing as well.
            if self.due and self.before is not None and self.due[-1] == self.before["number"]:
                self.head_of = self.due.pop()
            return
        number, at = claims.get("number"), claims.get("at")
        if claims.get("chain") != self.chain:
            self.fault("this signed head is of another chain.")
        elif number == self.head_of:
            self.fault(f"the signed head of event {number} stands here again.")
        elif self.due and number == self.due[-1]:
            self.due.pop()
            self._of_the_event(claims, number, at)
        elif self.end:
            self.fault(f"the signed head of event {number} doesn't belong here.")
        else:
            self._of_the_event(claims, number, at)
        self.head_of = number if isinstance(number, int) else 0

    def _of_the_event(self, claims: Claims, number: object, at: object) -> None:
        self.heads += 1
        if self.before is None:
            return
        if self.before["number"] != number:
            self.fault(f"the signed head of event {number} stands after event {self.before['number']}.")
        elif claims.get("digest") != self.before["digest"]:
            said = f"event {number} was changed, or one before it: at {at} its digest was signed as {claims.get('digest')}."
            self.fault(said, self.before["number"])

    def _end(self, *, is_last: bool) -> None:
        if not is_last:
            self.fault("an end stands here; it belongs into the last line.")
        elif self.end:
            if self.next and self.next[0] <= self.end["last"]:
                first, last = self.next[0], self.end["last"]
                missing = f"event {last} is" if first == last else f"events {first} to {last} are"
                self.fault(f"the end stands here, but {missing} missing before it.", last)
            self._missing_head(self.end["last"] + 1)

    def close(self) -> Report:
        if not self.line:
            self.line = 1
            self.fault("this file is empty.")
        elif self.end_forged:
            self.fault(f"the last line is not the end that Portico signed: {self.end_forged}.")
        return Report(
            self.faults,
            self.count,
            self.chain,
            str(self.header.get("tenant", "")),
            self.events,
            self.first,
            self.last,
            self.heads,
            self.keys is not None,
        )


def _parsed(raw: bytes) -> Claims | None:
    """The line's object, if it is written exactly as Portico writes it."""
    try:
        found = json.loads(raw)
        return found if isinstance(found, dict) and f"{canonical(found)}\n".encode() == raw else None
    except (ValueError, RecursionError):
        return None


def _whole(claims: Claims) -> Claims:
    """
    :raises Forged: where something is missing that an end has.
    """
    numbers = [claims.get(name) for name in ("first", "last")]
    texts = [claims.get(name) for name in ("chain", "previous", "digest", "header")]
    if (
        all(type(each) is int for each in numbers)
        and all(isinstance(each, str) for each in texts)
        and isinstance(claims.get("heads"), list)
    ):
        return claims
    raise Forged("it lacks what an end has")


def main(arguments: Iterable[str]) -> int:
    file, *keys = arguments
    with Path(file).open("rb") as opened_file:
        report = verify(opened_file, read_keys(Path(keys[0]).read_text()) if keys else None)
    print(report)
    return 1 if report.count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
