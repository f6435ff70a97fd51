"""A file of sealed records, each bound to the one before: it can be cut short, but nothing in it changed, added or taken out.

One that was cut short is an earlier one, and says itself how old it is (gateway.agent.snapshot writes that down every few seconds).
"""

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.agent.sealing import FORMAT, Sealer, UnreadableError, write_all, write_whole

Record = dict[str, Any]
_LENGTH = 4
_TAG = 16
_KIND = "snapshot"


@dataclass(slots=True)
class Journal:
    """Open for appending. `last` is the tag of the last record, to which the next is bound."""

    path: Path
    sealer: Sealer
    header: bytes
    number: int
    last: bytes
    size: int

    def append(self, record: Record) -> None:
        """It is on the disk when this returns. After an error the file's end is not known: write it anew."""
        sealed = _sealed(self.sealer, record, self.header, self.number, self.last)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            write_all(descriptor, sealed)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self.number, self.last, self.size = self.number + 1, sealed[-_TAG:], self.size + len(sealed)


@dataclass(frozen=True, slots=True)
class Found:
    """What a file holds. `torn`: its last record was not finished, and is left out."""

    records: list[Record]
    torn: bool


def begin(path: Path, sealer: Sealer, records: Sequence[Record]) -> Journal:
    """A new file in the place of the one before, which goes when all of this is on the disk."""
    generation = secrets.token_hex(16)
    header = json.dumps({"kind": _KIND, "format": FORMAT, "node": sealer.node, "generation": generation}).encode() + b"\n"
    content, last = bytearray(header), b""
    for number, record in enumerate(records):
        content += _sealed(sealer, record, header, number, last)
        last = bytes(content[-_TAG:])
    write_whole(path, bytes(content))
    return Journal(path, sealer, header, len(records), last, len(content))


def read(path: Path, sealer: Sealer) -> Found:
    """:raises UnreadableError: not a file that this gateway wrote. :raises OSError: it can't be read."""
    content = path.read_bytes()
    end = content.find(b"\n") + 1
    header = content[:end]
    _check(header, sealer.node)
    found: list[Record] = []
    at, last = end, b""
    while at < len(content):
        length = int.from_bytes(content[at : at + _LENGTH])
        sealed = content[at + _LENGTH : at + _LENGTH + length]
        # A file system that lost its power may leave zeros at the end.
        if length == 0 or len(sealed) < length:
            return Found(found, torn=True)
        try:
            found.append(json.loads(sealer.open(sealed, b"journal", header, len(found).to_bytes(8), last)))
        except UnreadableError as error:
            raise UnreadableError(f"is not what this gateway wrote: record {len(found) + 1} {error}") from error
        at, last = at + _LENGTH + length, sealed[-_TAG:]
    return Found(found, torn=False)


def _check(header: bytes, node: str) -> None:
    try:
        said = json.loads(header)
        kind, form, owner = said["kind"], said["format"], said["node"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError("is torn at its beginning, or of another kind") from error
    if kind != _KIND or form != FORMAT:
        raise UnreadableError(f"has the format {form!r}, and this agent knows {FORMAT}")
    if owner != node:
        raise UnreadableError(f"is that of the gateway {str(owner)[:80]!r}")


def _sealed(sealer: Sealer, record: Record, header: bytes, number: int, last: bytes) -> bytes:
    sealed = sealer.seal(json.dumps(record, separators=(",", ":")).encode(), b"journal", header, number.to_bytes(8), last)
    return len(sealed).to_bytes(_LENGTH) + sealed
