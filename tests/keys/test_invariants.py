"""What holds of signing keys whatever happens, in whatever order (I1 to I6, I8, I9, I14).

Time is the database's; here it passes by making every row older. A verifier elsewhere keeps its JWKS for as long as it may.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from keys import keyring, tokens
from keys.actions import policies, signing
from keys.models import SigningKey, TokenPolicy
from tenants import events
from tenants.errors import Invalid
from tenants.scope import tenant_scope
from tests import make, turns

TIMES = 20 if turns.whole() else 1
COLUMNS = ("published_at", "known_at", "planned_for", "condemned_at", "activated_at", "last_exp", "retired_at", "remove_at", "ended_at")
# A token is judged to the second.
SECOND = timedelta(seconds=1)


@dataclass
class Token:
    text: str
    kid: str
    exp: datetime
    purpose: str


@dataclass
class Elsewhere:
    """A verifier that fetched the JWKS once and keeps it for its max-age."""

    keys: list[dict[str, str]]
    until: datetime


def verifies(token: Token, keys: Iterable[dict[str, str]]) -> bool:
    try:
        jwt.decode(token.text, KeySet.import_key_set({"keys": list(keys)}), algorithms=["ES256", "ES384", "EdDSA"])  # type: ignore[arg-type]
    except (JoseError, ValueError):
        return False
    return True


@dataclass
class World:
    """Time is counted from the beginning: what the rows say, plus how much older they were made."""

    tenant: UUID
    older: timedelta = timedelta()
    tokens: list[Token] = field(default_factory=list)
    elsewhere: list[Elsewhere] = field(default_factory=list)
    # Keys that took the place of a compromised one at once: verifiers elsewhere may not know them for a while, and the page says so.
    rushed: set[str] = field(default_factory=set)
    kids: dict[UUID, str] = field(default_factory=dict)


class Life(RuleBasedStateMachine):
    """One tenant's keys, through anything."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(make.tenant().pk)

    # What happens

    @rule(seconds=st.sampled_from([1, 4, 30, 61, 300, 306, 900, 3_600, 86_400, 30 * 86_400, 400 * 86_400]))
    def time_passes(self, seconds: int) -> None:
        self._make_older(timedelta(seconds=seconds))

    @rule(gateways_know=st.booleans())
    def the_job_runs(self, gateways_know: bool) -> None:
        self._job(gateways_know)

    @rule()
    def the_job_runs_twice(self) -> None:
        self._job(True)
        before = self._signing()
        self._job(True)
        assert self._signing() == before, "a second run right after may announce the next key, and changes nothing else"

    @rule(purpose=st.sampled_from(SigningKey.Use.values))
    def somebody_rotates(self, purpose: str) -> None:
        with tenant_scope(self.world.tenant):
            algorithm = TokenPolicy.objects.get().algorithm
            new = None if signing.published(purpose) else signing.spare(self.world.tenant, purpose, algorithm)
            events.lock()
            signing.bring_forward(purpose, new, by=None)

    @rule(purpose=st.sampled_from(SigningKey.Use.values), later=st.sampled_from([1, 61, 700, 4_000, 2 * 86_400]))
    def a_whole_rotation_goes_by(self, purpose: str, later: int) -> None:
        """What chance alone would seldom put together: something is signed, its key retires, and the job looks again later."""
        self.something_is_signed(purpose, 90)
        self.somebody_rotates(purpose)
        self._make_older(timedelta(seconds=2 * 3_600 + tokens.CLOCK_SKEW))
        self.something_is_signed(purpose, 1)
        self._job(True)
        self._make_older(timedelta(seconds=later))
        self._job(True)

    @rule(data=st.data())
    def a_key_is_compromised(self, data: st.DataObject) -> None:
        with tenant_scope(self.world.tenant):
            keys = SigningKey.objects.filter(status__in=["published", "active", "retired"]).order_by("id")
            key = data.draw(st.sampled_from(list(keys)))
            new = signing.spare(self.world.tenant, key.purpose, TokenPolicy.objects.get().algorithm)
            events.lock()
            successor = None
            if key.status == "active":
                successor = signing.published(key.purpose) or signing.announce(new, planned_for=events.now(), by=None)
            signing.compromise(key, by=None, reason="Lost.", successor=successor)
            if successor is not None:
                self.world.rushed.add(successor.kid)

    @rule(purpose=st.sampled_from(SigningKey.Use.values))
    def a_key_is_condemned_and_the_worker_dies(self, purpose: str) -> None:
        with tenant_scope(self.world.tenant):
            key = signing.active(purpose)
            assert key is not None
            new = signing.spare(self.world.tenant, key.purpose, TokenPolicy.objects.get().algorithm)
            events.lock()
            signing.condemn(key, reason="Lost.")
            self.world.rushed.add(signing.bring_forward(purpose, new, by=None).kid)

    @rule(
        algorithm=st.sampled_from(["ES256", "ES384", "EdDSA"]),
        rotation=st.sampled_from([3_600, 86_400, 30 * 86_400, 365 * 86_400]),
        lifetime=st.sampled_from([60, 600, 900]),
        overlap=st.sampled_from([60, 900, 3_600]),
        age=st.sampled_from([5, 300, 1_795, 3_600]),
    )
    def the_policy_changes(self, algorithm: str, rotation: int, lifetime: int, overlap: int, age: int) -> None:
        given = {"algorithm": algorithm, "rotation": rotation, "token_lifetime": lifetime, "overlap": overlap, "jwks_max_age": age}
        refused = overlap < lifetime or rotation < 2 * (age + tokens.CLOCK_SKEW)
        with tenant_scope(self.world.tenant):
            try:
                policies.change_policy(given, by=None)
            except Invalid:
                assert refused
            else:
                assert not refused

    @rule(purpose=st.sampled_from(SigningKey.Use.values), days=st.sampled_from([1, 90, 365]))
    def something_is_signed(self, purpose: str, days: int) -> None:
        with tenant_scope(self.world.tenant):
            events.lock()
            key, now, policy = signing.active(purpose), events.now(), TokenPolicy.objects.get()
            assert key is not None
            private = keyring.signing_key(self.world.tenant, key.pk)
            assert private.kid == key.kid
            if purpose == SigningKey.Use.ACCESS_TOKEN:
                exp = now + timedelta(seconds=policy.token_lifetime)
                text = tokens.sign({"exp": int(exp.timestamp())}, private)
            else:
                exp = now + timedelta(days=days)
                text = tokens.api_key(client_id="a", credential_id="c", expires=int(exp.timestamp()), environment="live", key=private)
                signing.carry(key, until=exp)
        self.world.tokens.append(Token(text.removeprefix("ptc_live_"), key.kid, exp + self.world.older, purpose))

    @rule()
    def a_verifier_elsewhere_fetches(self) -> None:
        with tenant_scope(self.world.tenant):
            age = TokenPolicy.objects.get().jwks_max_age
            self.world.elsewhere.append(Elsewhere(self._jwks(), self._now() + timedelta(seconds=age)))

    # What holds

    @invariant()
    def exactly_one_key_signs_for_each_purpose(self) -> None:
        with tenant_scope(self.world.tenant):
            for purpose in SigningKey.Use.values:
                assert SigningKey.objects.filter(purpose=purpose, status="active").count() == 1

    @invariant()
    def only_what_is_announced_signing_or_retired_is_in_the_jwks(self) -> None:
        with tenant_scope(self.world.tenant):
            trusted = set(SigningKey.objects.filter(status__in=["published", "active", "retired"]).values_list("kid", flat=True))
            assert {each["kid"] for each in self._jwks()} == trusted
            assert not trusted & self._compromised()

    @invariant()
    def what_may_not_sign_has_no_private_half(self) -> None:
        with tenant_scope(self.world.tenant):
            assert not SigningKey.objects.filter(status__in=["retired", "removed", "compromised"], sealed__isnull=False).exists()

    @invariant()
    def a_kid_stays_with_its_key(self) -> None:
        with tenant_scope(self.world.tenant):
            kids = dict(SigningKey.objects.values_list("pk", "kid"))
        assert len(set(kids.values())) == len(kids)
        assert self.world.kids.items() <= kids.items(), "a tombstone stays for ever"
        self.world.kids = kids

    @invariant()
    def what_was_issued_verifies_here_and_elsewhere_until_its_end(self) -> None:
        with tenant_scope(self.world.tenant):
            now, here, compromised = self._now(), self._jwks(), self._compromised()
        self.world.elsewhere = [held for held in self.world.elsewhere if held.until > now]
        for token in self.world.tokens:
            if token.kid in compromised:
                assert not verifies(token, here)
            elif token.exp > now + SECOND:
                assert verifies(token, here)
                for held in self.world.elsewhere:
                    assert token.kid in self.world.rushed or verifies(token, held.keys), "whoever fetched within max-age knows every key"
        self.world.tokens = [token for token in self.world.tokens if token.exp > now]

    # How it is done

    def _compromised(self) -> set[str]:
        return set(SigningKey.objects.filter(status="compromised").values_list("kid", flat=True))

    def _job(self, gateways_know: bool) -> None:
        with tenant_scope(self.world.tenant):
            events.lock()
            keys, before = signing.Keys.read(), self._states()
            policy, wanted = keys.policy, signing.needs(keys, events.now())
            spares = [signing.spare(self.world.tenant, purpose, policy.algorithm) for purpose in wanted]
            condemned = {key.purpose for key in keys.trusted if key.status == "active" and key.condemned_at is not None}
            signing.advance(spares, lambda _: gateways_know)
            now = events.now()
            for key in SigningKey.objects.filter(status="active"):
                if key.purpose in condemned:
                    self.world.rushed.add(key.kid)
                if before.get(key.pk) != "active" and key.kid not in self.world.rushed:
                    assert gateways_know, "no key signs before gateways know it"
                    assert key.known_at is not None
                    assert key.known_at <= now, "nor before others had the time to learn of it"

    def _states(self) -> dict[UUID, str]:
        return dict(SigningKey.objects.values_list("pk", "status"))

    def _signing(self) -> Any:
        with tenant_scope(self.world.tenant):
            return list(SigningKey.objects.exclude(status="published").order_by("pk").values())

    def _now(self) -> datetime:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            now: datetime = cursor.fetchone()[0]
        return now + self.world.older

    def _jwks(self) -> list[dict[str, str]]:
        return [key.public_jwk for key in SigningKey.objects.in_jwks()]

    def _make_older(self, by: timedelta) -> None:
        self.world.older += by
        seconds = {"by": by.total_seconds()}
        with tenant_scope(self.world.tenant), connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE keys_signingkey SET {', '.join(f'{name} = {name} - make_interval(secs => %(by)s)' for name in COLUMNS)}", seconds
            )
            cursor.execute("UPDATE keys_tokenpolicy SET jwks_kept_until = jwks_kept_until - make_interval(secs => %(by)s)", seconds)


def test_whatever_happens_to_keys_the_invariants_hold(committed: None) -> None:
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=15 * TIMES,
            stateful_step_count=25,
            deadline=None,
            report_multiple_bugs=False,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
