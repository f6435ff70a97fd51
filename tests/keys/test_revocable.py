"""Whether a credential can go: what Carl is told before he revokes it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone, translation

from keys import revocable, uses
from keys.actions import credentials
from keys.models import Credential, CredentialUse
from keys.revocable import Level, Use, verdict, with_use
from tests import make
from tests.conftest import Cast

NOW = timezone.now()
DAY = timedelta(days=1)


def credential(age: timedelta = 30 * DAY, status: str = "active") -> Credential:
    return Credential(tenant_id=uuid4(), created_at=NOW - age, status=status)


def ago(time: timedelta, *, calls: int = 1, replaced: bool | None = None) -> Use:
    return Use(NOW - 20 * DAY, NOW - time, calls, replaced)


@pytest.mark.parametrize(
    "one,use,level,says",
    [
        (credential(), Use(), "safe", "It was never used."),
        (credential(7 * DAY), Use(), "safe", "It was never used."),
        (credential(3 * DAY), Use(), "unknown", "It was not used yet, and is only 3 days old."),
        (credential(), ago(7 * DAY), "safe", "It was not used for 7 days."),
        (credential(), ago(7 * DAY - timedelta(seconds=1), calls=1204), "used_lately",
         "It was used 7 days ago, with 1,204 calls in the last 7 days."),
        (credential(), ago(timedelta(minutes=5)), "used_lately", "It was used 5 minutes ago, with 1 call in the last 7 days."),
        (credential(), ago(timedelta(hours=2), replaced=False), "used_lately",
         "It was used 2 hours ago, with 1 call in the last 7 days. Its replacement was not used yet."),
        (credential(), ago(timedelta(hours=2), replaced=True), "used_lately",
         "It was used 2 hours ago, with 1 call in the last 7 days. Its replacement is in use too."),
        (credential(), ago(2 * DAY, replaced=True), "safe", "Its replacement is in use, and it was itself not used for 2 days."),
        (credential(), ago(2 * DAY, replaced=False), "used_lately",
         "It was used 2 days ago, with 1 call in the last 7 days. Its replacement was not used yet."),
        (credential(status="expiring"), ago(8 * DAY), "safe", "It was not used for 8 days."),
        (credential(), ago(-timedelta(hours=1)), "used_lately", "It was used 1 second ago, with 1 call in the last 7 days."),
    ],
)  # fmt: skip
def test_each_answer_says_why(one: Credential, use: Use, level: str, says: str) -> None:
    found = verdict(one, use, now=NOW)
    assert found is not None
    assert (found.level, found.sentence) == (level, says)


@pytest.mark.parametrize("status", ["revoked", "expired"])
def test_of_what_has_ended_there_is_nothing_to_say(status: str) -> None:
    assert verdict(credential(status=status), ago(DAY), now=NOW) is None


def test_the_answer_is_a_word_of_its_own_in_each_level() -> None:
    with translation.override("en"):
        assert [str(level.label) for level in Level] == ["Yes", "Not yet", "Not known yet"]


def test_what_was_used_is_read_with_the_rows_and_seven_days_are_seven_days(in_acme: Cast) -> None:
    old, _ = make.credential()
    uses.store(in_acme.acme.pk, calls={old.pk: 3}, tokens={old.pk: 1})
    [row] = CredentialUse.objects.all()
    for days, calls in ((6, 10), (7, 100)):
        at = row.last_at - days * DAY
        CredentialUse.objects.create(credential=old, day=row.day - days * DAY, calls=calls, first_at=at, last_at=at)
    new, _ = credentials.roll(old, grace="7d", by=in_acme.carl)
    found = {each.pk: Use.of(each) for each in with_use(Credential.objects.all())}
    assert found[old.pk] == Use(row.first_at - 7 * DAY, row.last_at, 13, False)
    assert found[new.pk] == Use() == Use.of(new)
    uses.store(in_acme.acme.pk, tokens={new.pk: 1})
    found = {each.pk: Use.of(each) for each in with_use(Credential.objects.all())}
    assert found[old.pk].replaced is True
    assert found[new.pk].replaced is None
    assert revocable.DAYS == 7
