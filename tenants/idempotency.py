"""Changes that a program may send twice and have done once: the header Idempotency-Key of draft-ietf-httpapi-idempotency-key-header.

A key is its sender's, in one tenant, for a day. What was answered to the first request is answered to every further one; a refusal is kept
of none, since nothing came of it. A request is known by its method, its address and its body.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from tenants import due
from tenants.errors import Invalid, NotAllowed
from tenants.models import SentOnce, User

HEADER = "Idempotency-Key"
JOB = "forget_answers"
KEPT = timedelta(days=1)
# Of a process that died in the middle; those that share the request's transaction leave nothing.
UNDER_WAY = timedelta(minutes=5)
# Characters of an answer. A longer one is no decision's.
MOST = 64 * 1024
AT_ONCE = 1_000
_KEY = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is JSON, None where it is not kept."""

    status: int
    body: str | None
    location: str = ""


class SentBefore(Exception):  # noqa: N818  (reads as the sentence it is)
    """The same request was done already, and answered so."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("It was done before.")
        self.answer = answer


def digest(method: str, address: str, body: bytes) -> str:
    """What one request is told from another by, as hex."""
    return hashlib.sha256(b"\n".join([method.encode(), address.encode(), body])).hexdigest()


def begin(key: str, *, request: str, by: User) -> SentOnce:
    """Take the key for this request. Whoever sends it at the same time waits until the transaction that took it is over.

    :param request: its `digest`.
    :raises SentBefore: it was done; here is the answer.
    :raises Invalid: it is no key, or another request's.
    :raises NotAllowed: it is still under way, or was done and its answer is not kept.
    """
    if not _KEY.fullmatch(key):
        raise Invalid({HEADER: [_("An Idempotency-Key is up to 128 letters, digits and signs without spaces, such as a UUID.")]})
    now = due.now()
    row, made = SentOnce.objects.get_or_create(user=by, key=key, defaults={"request": request, "at": now})
    if made:
        return row
    if row.at < now - (KEPT if row.http_status else UNDER_WAY):
        # Somebody else may be taking it anew at this moment.
        told = {"request": request, "http_status": 0, "answer": None, "location": "", "at": now}
        if not SentOnce.objects.filter(pk=row.pk, at=row.at).update(**told):
            return begin(key, request=request, by=by)
        row.refresh_from_db()
        return row
    if row.request != request:
        raise Invalid({HEADER: [_("This key was sent with another request. Take a new key for each change.")]})
    if not row.http_status:
        raise NotAllowed(_("The same request is still under way. Ask again in a moment."))
    if row.answer is None:
        raise NotAllowed(_("This was done before. What it was answered then is not kept, for it held a secret or was long."))
    raise SentBefore(Answer(row.http_status, row.answer, row.location))


def finish(row: SentOnce, answer: Answer) -> None:
    """It was done. After the action, which may have taken the tenant's lock: what is due comes after that."""
    body = None if answer.body is not None and len(answer.body) > MOST else answer.body
    SentOnce.objects.filter(pk=row.pk).update(http_status=answer.status, answer=body, location=answer.location)
    due.expect(JOB, row.at + KEPT)


def give_back(row: SentOnce) -> None:
    """Nothing came of it: the key can be sent again."""
    SentOnce.objects.filter(pk=row.pk).delete()


def forget() -> datetime | None:
    """What is a day old goes; returns when the next one is. Runs under the lock, see tenants.due."""
    old = SentOnce.objects.filter(at__lte=due.now() - KEPT)
    while pks := list(old.select_for_update(skip_locked=True).values_list("pk", flat=True)[:AT_ONCE]):
        SentOnce.objects.filter(pk__in=pks).delete()
    oldest = SentOnce.objects.order_by("at").values_list("at", flat=True).first()
    # Somebody is just taking a key anew, where it is old already.
    return max(oldest + KEPT, due.now() + UNDER_WAY) if oldest else None
