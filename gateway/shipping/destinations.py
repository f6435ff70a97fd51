"""Sending a batch of records: into a file, or by POST to an address that was looked up and judged just before."""

import asyncio
import base64
import json
import logging
import os
import stat
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from gateway.logged import Destination, Form, Rules
from gateway.shipping import otlp
from gateway.shipping.outcomes import MAX_ANSWER, Outcome, Trouble
from keys import webhooks
from keys.fetching import Answer, Unreachable, found_at, reached
from tenants import addresses

log = logging.getLogger(__name__)

SECONDS = 5.0
MOST_ANSWER = 16 * 1024
# Each at most five times so large: the file itself, and four before it.
FILE_BYTES, FILES = 50 * 1024 * 1024, 4
_LOOK_UPS = 16
_slots = threading.BoundedSemaphore(_LOOK_UPS)

Record = Mapping[str, Any]


class Threads:
    """For what waits outside of asyncio; a disk that hangs holds up no names."""

    def __init__(self) -> None:
        self.files = ThreadPoolExecutor(max_workers=2, thread_name_prefix="log-files")
        self.look_ups = ThreadPoolExecutor(max_workers=_LOOK_UPS, thread_name_prefix="log-hosts")

    def close(self) -> None:
        for each in (self.files, self.look_ups):
            each.shutdown(wait=False, cancel_futures=True)


class Place:
    """Where one API's records go. `authorization` stands in memory alone."""

    def __init__(self, rules: Rules, *, tenant: str, api: str, authorization: str = "") -> None:
        self.rules, self.tenant, self.api = rules, tenant, api
        self._authorization = authorization

    def body(self, records: Sequence[Record]) -> bytes:
        if self.rules.destination == Destination.OTLP:
            return otlp.request(records, tenant=self.tenant, api=self.api, now_ns=time.time_ns())
        if self.rules.destination == Destination.HTTP and self.rules.form == Form.ARRAY:
            return _json(records)
        return b"".join(_json(each) + b"\n" for each in records)

    async def send(self, body: bytes, threads: Threads, *, again: str) -> Outcome:
        """:param again: says which batch it is, the same however often it is sent."""
        loop = asyncio.get_running_loop()
        if self.rules.destination == Destination.FILE:
            return await loop.run_in_executor(threads.files, partial(append, self.tenant, self.api, body))
        parts = urlsplit(self.rules.url)
        found = await loop.run_in_executor(threads.look_ups, partial(found_at, parts, resolver=partial(addresses.look_up, slots=_slots)))
        sending = reached(
            "POST",
            parts,
            headers=self._headers(again),
            body=body,
            found=found,
            seconds=SECONDS,
            most_bytes=MOST_ANSWER,
            cut=True,
            plain=True,
        )
        try:
            return self._outcome(await sending)
        except Unreachable as error:
            return Outcome(Trouble(str(error.why)))

    def _headers(self, again: str) -> dict[str, str]:
        kinds = {Destination.OTLP: otlp.CONTENT_TYPE, Destination.HTTP: "application/x-ndjson"}
        kind = "application/json" if self.rules.form == Form.ARRAY else kinds[Destination(self.rules.destination)]
        told = {"Content-Type": kind, "User-Agent": "Portico-Logs", "Idempotency-Key": again}
        return {**told, "Authorization": self._authorization} if self._authorization else told

    def _outcome(self, answer: Answer) -> Outcome:
        trouble = webhooks.trouble_of(answer.status)
        if trouble is None:
            rejected, why = otlp.rejected(answer.body) if self.rules.destination == Destination.OTLP else (0, "")
            if rejected:
                return Outcome(Trouble.PARTIAL, answer.status, self._shown(why.encode()), rejected)
            return Outcome(status=answer.status)
        rest = webhooks.rest_asked(answer.headers.get("retry-after", ""), now=datetime.now(UTC)).total_seconds()
        return Outcome(Trouble(str(trouble)), answer.status, self._shown(answer.body), rest=rest)

    def _shown(self, body: bytes) -> str:
        """A destination that repeats what it was sent must not show the secret to whoever looks at the page."""
        text = "".join(each if each.isprintable() else " " for each in body.decode(errors="replace"))
        for secret in _forms(self._authorization):
            text = text.replace(secret, "(hidden)")
        return text[:MAX_ANSWER].strip()


def _forms(authorization: str) -> Iterator[str]:
    """In which a destination could repeat it, the longest first: all of it, what follows the scheme, and the password of Basic."""
    scheme, _space, rest = authorization.partition(" ")
    yield from filter(None, (authorization, rest))
    if scheme.lower() == "basic":
        with suppress(ValueError):
            yield from filter(None, (base64.b64decode(rest, validate=True).decode().partition(":")[2],))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode(errors="replace")


# --- files -----------------------------------------------------------------------------------------------------------


def path_of(tenant: str, api: str) -> Path:
    """Slugs have no dots and no slashes."""
    return Path(settings.LOG_SHIPPING_FOLDER) / tenant / f"{api}.jsonl"


def append(tenant: str, api: str, body: bytes) -> Outcome:
    """Whole lines, for this user alone; what is full is put aside, and the oldest goes."""
    if not settings.LOG_SHIPPING_FOLDER:
        return Outcome(Trouble.FOLDER)
    path = path_of(tenant, api)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _turn(path, len(body))
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                return Outcome(Trouble.FOLDER)
            before = os.fstat(file).st_size
            if os.write(file, body) != len(body):
                # The disk is full: no half a record stays.
                os.ftruncate(file, before)
                return Outcome(Trouble.FOLDER)
        finally:
            os.close(file)
    except OSError as error:
        log.warning("The calls of %s/%s could not be written: %s", tenant, api, error.strerror)
        return Outcome(Trouble.FOLDER)
    return Outcome()


def _turn(path: Path, more: int) -> None:
    try:
        full = path.stat().st_size + more > FILE_BYTES
    except FileNotFoundError:
        return
    if not full:
        return
    for number in range(FILES, 0, -1):
        before = path.with_suffix(f".jsonl.{number - 1}") if number > 1 else path
        if before.exists():
            before.replace(path.with_suffix(f".jsonl.{number}"))
