"""Applications and how they prove themselves."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import ECKey

from keys import tasks, tokens
from keys.actions import credentials, policies, signing
from keys.models import Application, Credential, SigningKey
from tenants import events
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
    credentials.revoke(made[0], by=in_acme.carl)
    make.credential(application)


def test_rolling_with_grace_is_no_way_round_the_ten(in_acme: Cast) -> None:
    application = make.application()
    last = [make.credential(application)[0] for _ in range(10)][-1]
    with pytest.raises(NotAllowed, match="has 10 working credentials"):
        credentials.roll(last, grace="7d", by=in_acme.carl)
    credentials.roll(last, grace="0", by=in_acme.carl)
    assert application.credentials.usable().count() == 10


def test_an_end_that_has_passed_is_refused(in_acme: Cast) -> None:
    with pytest.raises(Invalid, match="This time has passed"):
        make.credential(expires_at=timezone.now() - timedelta(seconds=1))
    assert not Credential.objects.exists()


@pytest.mark.parametrize("grace,hours", [("1h", 1), ("24h", 24), ("7d", 168)])  # fmt: skip
def test_a_rolled_credential_works_on_for_its_grace(in_acme: Cast, grace: str, hours: int) -> None:
    old, old_secret = make.credential(label="CI")
    new, new_secret = credentials.roll(old, grace=grace, by=in_acme.carl)
    old.refresh_from_db()
    assert (old.status, new.status) == ("expiring", "active")
    assert old.expires_at is not None
    assert abs(old.expires_at - timezone.now() - timedelta(hours=hours)) < timedelta(seconds=10)
    assert new_secret != old_secret
    assert new.label == "CI"
    assert kinds(old) == ["credential.created", "credential.rolled"]
    assert Event.objects.get(subject_id=new.pk).data["replaces"] == str(old.pk)
    assert Due.objects.filter(job=credentials.EXPIRE_JOB, at=old.expires_at).exists()


def test_rolled_without_grace_it_ends_at_once(in_acme: Cast) -> None:
    old, _ = make.credential()
    credentials.roll(old, grace="0", by=in_acme.carl)
    old.refresh_from_db()
    assert old.status == "revoked"
    assert old.ended_at is not None
    assert kinds(old) == ["credential.created", "credential.revoked"]


def test_a_replacement_lives_as_long_as_what_it_replaces(in_acme: Cast) -> None:
    application, end = make.application(), timezone.now() + timedelta(days=90)
    for make_one in (make.credential, make.api_key):
        old, _ = make_one(application, expires_at=end)
        Credential.objects.filter(pk=old.pk).update(created_at=end - timedelta(days=100))
        old.refresh_from_db()
        new, _ = credentials.roll(old, grace="1h", by=in_acme.carl)
        assert new.replaces == old
        assert new.kind == old.kind
        assert new.expires_at is not None
        assert abs(new.expires_at - timezone.now() - timedelta(days=100)) < timedelta(seconds=10)
    forever, _ = make.credential(application)
    assert credentials.roll(forever, grace="1h", by=in_acme.carl)[0].expires_at is None


def test_what_was_rolled_is_not_rolled_again(in_acme: Cast) -> None:
    old, _ = make.credential()
    credentials.roll(old, grace="7d", by=in_acme.carl)
    for grace in credentials.GRACES:
        with pytest.raises(NotAllowed, match="was rolled already"):
            credentials.roll(old, grace=grace, by=in_acme.carl)
    assert old.application.credentials.count() == 2


def test_grace_never_lengthens_a_life(in_acme: Cast) -> None:
    end = timezone.now() + timedelta(minutes=5)
    old, _ = make.credential(expires_at=end)
    credentials.roll(old, grace="7d", by=in_acme.carl)
    old.refresh_from_db()
    assert old.expires_at == end


def test_an_unknown_grace_is_refused(in_acme: Cast) -> None:
    with pytest.raises(Invalid, match="Choose from 0, 1h, 24h, 7d"):
        credentials.roll(make.credential()[0], grace="forever", by=in_acme.carl)


def test_what_has_ended_is_not_rolled_or_revoked_again(in_acme: Cast) -> None:
    credential, _ = make.credential()
    credentials.revoke(credential, by=in_acme.carl, reason="Leaked.")
    assert Event.objects.latest("number").data == {"was": "active", "reason": "Leaked."}
    with pytest.raises(NotAllowed, match="is revoked"):
        credentials.revoke(credential, by=in_acme.carl)
    with pytest.raises(NotAllowed, match="is revoked"):
        credentials.roll(credential, grace="1h", by=in_acme.carl)


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
    assert Due.objects.get(job=credentials.EXPIRE_JOB).at == later


# --- API keys


def said_in(key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims of an API key, read by nobody's library."""
    head, claims, _ = key.removeprefix("ptc_live_").removeprefix("ptc_test_").split(".")
    return tuple(json.loads(urlsafe_b64decode(part + "==")) for part in (head, claims))


def active_key(purpose: str = "api_key") -> SigningKey:
    return SigningKey.objects.get(purpose=purpose, status="active")


@pytest.mark.parametrize("environment", ["live", "test"])
def test_an_api_key_says_whose_it_is_and_nothing_secret_is_kept(in_acme: Cast, environment: str) -> None:
    application = make.application(environment=environment)
    credential, key = make.api_key(application, label="Batch")
    credential.refresh_from_db()
    assert key.startswith(f"ptc_{environment}_")
    header, claims = said_in(key)
    signer = active_key()
    assert header == {"alg": signer.alg, "kid": signer.kid, "typ": "ak+jwt"}
    assert set(claims) == {"sub", "jti", "exp"}
    assert (claims["sub"], claims["jti"]) == (application.client_id, str(credential.pk))
    verified = jwt.decode(key.removeprefix(tokens.api_key_prefix(environment)), ECKey.import_key(signer.public_jwk))
    assert verified.claims == claims
    assert credential.signing_key == signer
    assert credential.last_four == key[-4:]
    assert credential.signed_until == credential.expires_at == datetime.fromtimestamp(claims["exp"], UTC)
    kept = {name: str(value) for name, value in vars(credential).items()}
    assert not [name for name, value in kept.items() if key[-20:] in value]
    assert Event.objects.get(kind="credential.created").data == {"application": application.name, "kind": "api_key"}


def test_an_api_key_lives_as_long_as_the_policy_allows_and_no_longer(in_acme: Cast) -> None:
    policies.change_policy({"api_key_days": 30}, by=in_acme.ada)
    credential, _ = make.api_key()
    assert credential.expires_at is not None
    assert abs(credential.expires_at - timezone.now() - timedelta(days=30)) < timedelta(seconds=10)
    assert Due.objects.get(job=credentials.EXPIRE_JOB).at == credential.expires_at
    with pytest.raises(Invalid, match="API keys work for at most 30 days here"):
        make.api_key(expires_at=timezone.now() + timedelta(days=30, seconds=30))
    for moment in (timedelta(), timedelta(days=-1)):
        with pytest.raises(Invalid, match="This time has passed"):
            make.api_key(expires_at=timezone.now() + moment)
    assert Credential.objects.count() == 1


def test_a_rolled_api_key_keeps_to_a_policy_that_is_stricter_now(in_acme: Cast) -> None:
    old, old_key = make.api_key()
    policies.change_policy({"api_key_days": 10}, by=in_acme.ada)
    new, new_key = credentials.roll(old, grace="24h", by=in_acme.carl)
    old.refresh_from_db()
    assert new.expires_at is not None
    assert new.expires_at <= timezone.now() + timedelta(days=10)
    assert (old.status, new.status) == ("expiring", "active")
    assert old.expires_at is not None
    assert old.signed_until is not None
    assert old.expires_at < timezone.now() + timedelta(hours=25) < old.signed_until, "the gateway refuses it before its own end"
    assert said_in(old_key)[1]["jti"] != said_in(new_key)[1]["jti"] == str(new.pk)


def test_no_signing_key_leaves_before_the_last_api_key_that_it_signed(in_acme: Cast) -> None:
    long = timezone.now() + timedelta(days=200)
    make.api_key(expires_at=long)
    make.api_key(expires_at=timezone.now() + timedelta(days=2))
    signer = active_key()
    assert signer.last_exp == long.replace(microsecond=0)
    other = active_key("access_token")
    assert other.last_exp is None
    events.lock()
    new = signing.announce(signing.spare(in_acme.acme.pk, "api_key", "ES256"), planned_for=events.now(), by=None)
    signing.activate(new, by=None)
    signer.refresh_from_db()
    assert (signer.status, signer.last_exp) == ("retired", long.replace(microsecond=0))
    assert signer.remove_at is not None
    assert signer.remove_at > long


def test_a_key_that_changes_while_carl_waits_for_the_lock_signs_nothing_for_him(in_acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    application, old, lock = make.application(), active_key(), events.lock

    def overtaken() -> Any:
        held = lock()
        if active_key() == old:
            monkeypatch.setattr(events, "lock", lock)
            new = signing.announce(signing.spare(in_acme.acme.pk, "api_key", "ES384"), planned_for=events.now(), by=None)
            signing.activate(new, by=None)
        return held

    monkeypatch.setattr(events, "lock", overtaken)
    credential, key = make.api_key(application)
    old.refresh_from_db()
    assert (old.status, old.last_exp is not None and old.last_exp > timezone.now() + timedelta(days=1)) == ("retired", False)
    assert said_in(key)[0]["kid"] == active_key().kid != old.kid
    assert credential.signing_key == active_key()


# --- key pairs and trusted issuers


def test_a_key_pair_is_known_by_its_key_id(in_acme: Cast) -> None:
    pair = make.key_pair(label="HSM")
    pair.refresh_from_db()
    assert pair.jwks is not None
    assert (pair.kind, pair.last_four) == ("key_pair", pair.jwks["keys"][0]["kid"][-4:])
    assert pair.expires_at is None
    assert Event.objects.get(kind="credential.created").data["kind"] == "key_pair"


def test_an_issuer_is_known_by_its_host_where_nobody_named_it(in_acme: Cast) -> None:
    trusted = make.issuer()
    assert (trusted.label, trusted.issuer, trusted.claim, trusted.claim_value) == ("id.example", "https://id.example/acme", "sub", "shop")
    assert trusted.jwks_fetched_at is None
    assert make.issuer(label="Ours", jwks_url="https://id.example/jwks").jwks_fetched_at is not None


@pytest.mark.parametrize(
    "issuer",
    ["", "id.example", "http://id.example", "https://", "https://u@id.example", "https://id.example?x=1", "https://id.example#", "https://[::1",
     "https://id.example:99999", "https://id.example/a b", "https://id.exämple", "https://id.example/\n", "javascript:alert(1)"],
)  # fmt: skip
def test_what_is_no_issuer_is_refused(in_acme: Cast, issuer: str) -> None:
    with pytest.raises(Invalid, match="Write the issuer as it stands in the claim iss") as refused:
        make.issuer(issuer=issuer)
    assert list(refused.value.problems) == ["issuer"]
    assert not Credential.objects.exists()


@pytest.mark.parametrize("claim", ["iss", "aud", "exp", "nbf", "iat", "jti"])
def test_a_claim_that_everybody_of_the_issuer_has_proves_nothing(in_acme: Cast, claim: str) -> None:
    with pytest.raises(Invalid, match=f"{claim} does not say who asks"):
        make.issuer(claim=claim)
    with pytest.raises(Invalid, match="Fill this in"):
        make.issuer(claim_value="")


@pytest.mark.parametrize("one", [make.key_pair, make.issuer])
def test_what_portico_did_not_make_is_not_rolled_but_revoked(in_acme: Cast, one: Callable[[], Credential]) -> None:
    credential = one()
    with pytest.raises(NotAllowed, match="Add another credential, then revoke this one"):
        credentials.roll(credential, grace="1h", by=in_acme.carl)
    credentials.revoke(credential, by=in_acme.carl)
    assert Credential.objects.get().status == "revoked"


def test_ten_is_the_most_of_all_kinds_together(in_acme: Cast) -> None:
    application = make.application()
    for _ in range(4):
        make.credential(application)
        make.api_key(application)
    make.key_pair(application)
    make.issuer(application)
    for one in (make.credential, make.api_key, make.key_pair, make.issuer):
        with pytest.raises(NotAllowed, match="has 10 working credentials"):
            one(application)


# --- applications


def test_a_name_is_given_once_per_owner(in_acme: Cast) -> None:
    make.application(in_acme.carl, name="Shop")
    with pytest.raises(NotAllowed, match="You have an application called “Shop” already"):
        make.application(in_acme.carl, name="Shop")
    make.application(in_acme.ada, name="Shop")
    assert Application.objects.count() == 2
