"""Applications and how they prove themselves."""

from datetime import timedelta

import pytest
from django.utils import timezone

from keys import actions, tasks
from keys.models import Application, Credential
from tenants.errors import Invalid, NotAllowed
from tenants.models import Due, Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast


def kinds(credential: Credential) -> list[str]:
    return [event.kind for event in Event.objects.filter(subject_id=credential.pk).order_by("number")]


def test_a_secret_is_kept_as_a_fingerprint_only(in_acme: Cast) -> None:
    credential, secret = make.credential(label="CI")
    credential.refresh_from_db()
    kept = {name: str(value) for name, value in vars(credential).items()}
    assert not [name for name, value in kept.items() if secret in value or secret[11:54] in value]
    assert credential.last_four == secret[-4:]
    assert kinds(credential) == ["credential.created"]


def test_an_application_has_at_most_ten_working_credentials(in_acme: Cast) -> None:
    application = make.application()
    made = [make.credential(application)[0] for _ in range(10)]
    with pytest.raises(NotAllowed, match="has 10 working credentials; revoke one"):
        make.credential(application)
    actions.revoke(made[0], by=in_acme.carl)
    make.credential(application)


def test_rolling_with_grace_is_no_way_round_the_ten(in_acme: Cast) -> None:
    application = make.application()
    last = [make.credential(application)[0] for _ in range(10)][-1]
    with pytest.raises(NotAllowed, match="has 10 working credentials"):
        actions.roll(last, grace="7d", by=in_acme.carl)
    actions.roll(last, grace="0", by=in_acme.carl)
    assert application.credentials.usable().count() == 10


def test_an_end_that_has_passed_is_refused(in_acme: Cast) -> None:
    with pytest.raises(Invalid, match="This time has passed"):
        make.credential(expires_at=timezone.now() - timedelta(seconds=1))
    assert not Credential.objects.exists()


@pytest.mark.parametrize("grace,hours", [("1h", 1), ("24h", 24), ("7d", 168)])  # fmt: skip
def test_a_rolled_credential_works_on_for_its_grace(in_acme: Cast, grace: str, hours: int) -> None:
    old, old_secret = make.credential(label="CI")
    new, new_secret = actions.roll(old, grace=grace, by=in_acme.carl)
    old.refresh_from_db()
    assert (old.status, new.status) == ("expiring", "active")
    assert old.expires_at is not None
    assert abs(old.expires_at - timezone.now() - timedelta(hours=hours)) < timedelta(seconds=10)
    assert new_secret != old_secret
    assert new.label == "CI"
    assert kinds(old) == ["credential.created", "credential.rolled"]
    assert Event.objects.get(subject_id=new.pk).data["replaces"] == str(old.pk)
    assert Due.objects.filter(job=actions.EXPIRE_JOB, at=old.expires_at).exists()


def test_rolled_without_grace_it_ends_at_once(in_acme: Cast) -> None:
    old, _ = make.credential()
    actions.roll(old, grace="0", by=in_acme.carl)
    old.refresh_from_db()
    assert old.status == "revoked"
    assert old.ended_at is not None
    assert kinds(old) == ["credential.created", "credential.revoked"]


def test_grace_never_lengthens_a_life(in_acme: Cast) -> None:
    end = timezone.now() + timedelta(minutes=5)
    old, _ = make.credential(expires_at=end)
    actions.roll(old, grace="7d", by=in_acme.carl)
    old.refresh_from_db()
    assert old.expires_at == end


def test_an_unknown_grace_is_refused(in_acme: Cast) -> None:
    with pytest.raises(Invalid, match="Choose from 0, 1h, 24h, 7d"):
        actions.roll(make.credential()[0], grace="forever", by=in_acme.carl)


def test_what_has_ended_is_not_rolled_or_revoked_again(in_acme: Cast) -> None:
    credential, _ = make.credential()
    actions.revoke(credential, by=in_acme.carl, reason="Leaked.")
    assert Event.objects.latest("number").data == {"was": "active", "reason": "Leaked."}
    with pytest.raises(NotAllowed, match="is revoked"):
        actions.revoke(credential, by=in_acme.carl)
    with pytest.raises(NotAllowed, match="is revoked"):
        actions.roll(credential, grace="1h", by=in_acme.carl)


def test_the_job_expires_what_is_due_and_nothing_else(transactional_db: None) -> None:
    acme = make.tenant("acme")
    with tenant_scope(acme.pk):
        application = make.application()
        soon, later = timezone.now() + timedelta(hours=1), timezone.now() + timedelta(hours=2)
        first, second, third = (make.credential(application, expires_at=end)[0] for end in (soon, later, None))
        Credential.objects.filter(pk=first.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert tasks.expire_credentials() == 0, "not due before its time"
    Due.objects.update(at=timezone.now() - timedelta(seconds=1))
    assert tasks.expire_credentials() == 1
    assert tasks.expire_credentials() == 0, "safe to run twice"
    with tenant_scope(acme.pk):
        found = {row.pk: row.status for row in Credential.objects.all()}
        assert found == {first.pk: "expired", second.pk: "active", third.pk: "active"}
        assert kinds(first) == ["credential.created", "credential.expired"]
        assert Event.objects.latest("number").actor_name == "Portico"
    assert Due.objects.get(job=actions.EXPIRE_JOB).at == later


def test_a_name_is_given_once_per_owner(in_acme: Cast) -> None:
    make.application(in_acme.carl, name="Shop")
    with pytest.raises(NotAllowed, match="You have an application called “Shop” already"):
        make.application(in_acme.carl, name="Shop")
    make.application(in_acme.ada, name="Shop")
    assert Application.objects.count() == 2
