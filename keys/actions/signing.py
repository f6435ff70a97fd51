"""The life of signing keys: coming, announced, signing, trusted still, gone.

`pending -> published -> active -> retired -> removed`, and from each of the first four `-> compromised`; there is no way back. What
decides when is `advance`, one step after the other; whether gateways know a key is told to it, for that is not for keys to know.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import models, transaction
from django.db.models import Value
from django.db.models.functions import Greatest

from keys import tokens
from keys.envelope import seal
from keys.kek import kek
from keys.models import Credential, SigningKey, TokenPolicy
from tenants import due, events
from tenants.actions import add_tenant
from tenants.lifecycle import step
from tenants.models import Event, Tenant, User
from tenants.scope import tenant_scope

ADVANCE_JOB = "advance_signing_keys"
SKEW = timedelta(seconds=tokens.CLOCK_SKEW)
# What is signed in the moment of a commit, and the difference of two clocks.
MARGIN = timedelta(seconds=60)
# How long a compromised key signs on, at most, while its successor makes itself known.
CONDEMNED = timedelta(seconds=1)
# API keys are trusted as long as the key that signed them, so that one is changed less often.
API_KEY_ROTATION = timedelta(days=30)
# How often it is asked again whether every gateway knows a key.
ASK_AGAIN = (timedelta(seconds=5), timedelta(seconds=60))

Use, Status = SigningKey.Use, SigningKey.Status
# Whether every live gateway that holds this tenant has acknowledged what covers this event.
Acknowledged = Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class Spare:
    """A new key, made and sealed outside any transaction: both may take their time."""

    row: SigningKey
    algorithm: str


def spare(tenant_id: UUID, purpose: str, algorithm: str) -> Spare:
    key = tokens.generate(algorithm)
    row = SigningKey(
        tenant_id=tenant_id, purpose=purpose, alg=key.alg, kid=key.kid, public_jwk=tokens.public_jwk(key), status=Status.PENDING
    )
    row.sealed = seal(tokens.dump(key), row.sealed_for, kek())
    return Spare(row, algorithm)


@transaction.atomic
def create_tenant(*, slug: str, name: str, by: User | None, jwks_max_age: int | None = None) -> Tenant:
    """A tenant that can issue tokens and API keys: its first signing keys are active before anyone can ask.

    :param jwks_max_age: seconds, where the policy's own would make the first rotation wait too long.
    """
    tenant = add_tenant(slug=slug, name=name, by=by)
    with tenant_scope(tenant.pk):
        events.lock()
        keys = Keys(TokenPolicy.objects.create(**({"jwks_max_age": jwks_max_age} if jwks_max_age else {})), [])
        for purpose in Use.values:
            key = _announce(keys, spare(tenant.pk, purpose, keys.policy.algorithm), planned_for=events.now(), by=by)
            _activate(keys, key, by=by)
        due.expect(ADVANCE_JOB, _next(keys))
        due.expect(due.MEASURE_JOB, events.now())
    return tenant


@dataclass(frozen=True, slots=True)
class Keys:
    """A tenant's policy and the keys that are trusted, read once; the steps below keep it true."""

    policy: TokenPolicy
    trusted: list[SigningKey]

    @classmethod
    def read(cls) -> "Keys":
        return cls(TokenPolicy.objects.get(), list(SigningKey.objects.in_jwks()))

    def one(self, purpose: str, status: str) -> SigningKey | None:
        return next((key for key in self.trusted if (key.purpose, key.status) == (purpose, status)), None)

    def all(self, status: str) -> list[SigningKey]:
        return [key for key in self.trusted if key.status == status]


def active(purpose: str) -> SigningKey | None:
    return SigningKey.objects.filter(purpose=purpose, status=Status.ACTIVE).first()


def published(purpose: str) -> SigningKey | None:
    return SigningKey.objects.filter(purpose=purpose, status=Status.PUBLISHED).first()


# The steps. All run under the tenant's lock.


def bring_forward(purpose: str, new: Spare | None, *, by: User | None) -> SigningKey:
    """Rotate now: the key that is announced already, else this new one, signs as soon as it is known everywhere."""
    key, now = published(purpose), events.now()
    if key is None:
        assert new is not None
        key = announce(new, planned_for=now, by=by)
    elif key.planned_for is None or key.planned_for > now:
        key.planned_for = now
        key.save(update_fields=["planned_for"])
        events.record("signing_key.brought_forward", key, by=by)
    due.expect(ADVANCE_JOB, now)
    return key


def condemn(key: SigningKey, *, reason: str) -> None:
    """An active key is to be compromised as soon as its successor is known: nothing is signed with it after that, or after a second."""
    key.condemned_at, key.condemned_why = events.now(), reason
    key.save(update_fields=["condemned_at", "condemned_why"])
    due.expect(ADVANCE_JOB, key.condemned_at)


def announce(new: Spare, *, planned_for: datetime, by: User | None) -> SigningKey:
    """Put a key into the JWKS. It signs nothing before verifiers had the time to learn of it."""
    return _announce(Keys(TokenPolicy.objects.get(), []), new, planned_for=planned_for, by=by)


def _announce(keys: Keys, new: Spare, *, planned_for: datetime, by: User | None) -> SigningKey:
    policy, now, key = keys.policy, events.now(), new.row
    key.save(force_insert=True)
    # A JWKS that was fetched just before, when it might be kept for longer, still counts.
    known = max(now + timedelta(seconds=policy.jwks_max_age), policy.jwks_kept_until or now) + SKEW
    number = events.require_lock().number + 1
    told = step(
        key,
        Status.PUBLISHED,
        by=by,
        published_at=now,
        published_event=number,
        known_at=known,
        planned_for=planned_for,
    )
    assert told.number == number
    keys.trusted.append(key)
    return key


def activate(key: SigningKey, *, by: User | None) -> Event:
    """Sign with this key from now on; whoever signed before it retires, and its private half is gone with this transaction."""
    return _activate(Keys.read(), key, by=by)


def _activate(keys: Keys, key: SigningKey, *, by: User | None) -> Event:
    before = keys.one(key.purpose, Status.ACTIVE)
    if before is not None:
        _retire(before, keys.policy, by=by)
    return step(key, Status.ACTIVE, by=by, activated_at=events.now(), longest_lifetime=keys.policy.token_lifetime, last_exp=None)


def carry(key: SigningKey, *, until: datetime) -> None:
    """What this key has just signed ends then: it is trusted so long."""
    SigningKey.objects.filter(pk=key.pk).update(last_exp=Greatest("last_exp", Value(until)))


def _retire(key: SigningKey, policy: TokenPolicy, *, by: User | None) -> Event:
    now = events.now()
    if key.purpose == Use.ACCESS_TOKEN:
        last = now + timedelta(seconds=max(key.longest_lifetime, policy.token_lifetime)) + MARGIN
    else:
        last = key.last_exp or now
    trusted = max(last + SKEW + timedelta(seconds=policy.jwks_max_age), now + timedelta(seconds=policy.overlap))
    return step(key, Status.RETIRED, by=by, sealed=None, retired_at=now, last_exp=last, remove_at=trusted)


def _remove(key: SigningKey) -> Event:
    """Nothing that it signed is alive. A tombstone stays: its key id is never given again."""
    return step(key, Status.REMOVED, by=None, public_jwk={}, ended_at=events.now())


def compromise(key: SigningKey, *, by: User | None, reason: str, successor: SigningKey | None = None) -> Event:
    """Trust nothing that this key signed, from now on.

    :param successor: signs in its place; an active key has to have one.
    :returns: the event whose receipt says where the old key is refused.
    """
    now = events.now()
    assert key.status != Status.ACTIVE or successor is not None
    if key.purpose == Use.API_KEY:
        for credential in carried(key):
            step(credential, Credential.Status.REVOKED, by=by, why="Its signing key was compromised.", ended_at=now)
    policy = TokenPolicy.objects.get()
    told = step(key, Status.COMPROMISED, by=by, why=reason, sealed=None, public_jwk={}, ended_at=now)
    if successor is not None:
        step(successor, Status.ACTIVE, by=by, activated_at=now, longest_lifetime=policy.token_lifetime)
    return told


# What is due


def needs(keys: Keys, now: datetime) -> list[str]:
    """The purposes for which a new key has to be announced now."""
    return [
        purpose
        for purpose in Use.values
        if keys.one(purpose, Status.PUBLISHED) is None and _announce_at(keys.one(purpose, Status.ACTIVE), keys.policy, now) <= now
    ]


@dataclass(frozen=True, slots=True)
class Turn:
    """What is left after what was due: when to look again, and for which purposes a new key is to be made at once, by which algorithm."""

    again_at: datetime
    wanted: list[str]
    algorithm: str


def advance(spares: Iterable[Spare], acknowledged: Acknowledged) -> Turn:
    """Whatever is due for the tenant in scope, under its lock; safe to run twice."""
    keys, now = Keys.read(), events.now()
    wanted = needs(keys, now)
    for new in spares:
        # The reason it was made for may have gone meanwhile: another worker was quicker, or the policy has changed.
        if new.row.purpose in wanted and new.algorithm == keys.policy.algorithm:
            _announce(keys, new, planned_for=_planned(keys.one(new.row.purpose, Status.ACTIVE), keys.policy, now), by=None)
            wanted.remove(new.row.purpose)
    for key in keys.all(Status.PUBLISHED):
        before = keys.one(key.purpose, Status.ACTIVE)
        if before is not None and before.condemned_at is not None:
            if acknowledged(_event(key)) or before.condemned_at + CONDEMNED <= now:
                compromise(before, by=None, reason=before.condemned_why, successor=key)
        elif may_sign_at(key, first=before is None) <= now and acknowledged(_event(key)):
            _activate(keys, key, by=None)
    for key in keys.all(Status.RETIRED):
        if key.remove_at is not None and key.remove_at <= now:
            _remove(key)
    return Turn(_next(keys), needs(keys, now), keys.policy.algorithm)


def planned(purpose: str) -> datetime:
    """When the policy wants the next key to sign."""
    return _planned(active(purpose), TokenPolicy.objects.get(), events.now())


def carried(key: SigningKey) -> models.QuerySet[Credential]:
    """The API keys that work and that this key has signed."""
    return Credential.objects.usable().filter(signing_key=key).order_by("id")


def may_sign_at(key: SigningKey, *, first: bool) -> datetime:
    """When a published key may begin to sign, if gateways know it. The first of its purpose need not wait: nobody holds an older JWKS."""
    assert key.known_at is not None
    assert key.planned_for is not None
    return key.planned_for if first else max(key.known_at, key.planned_for)


def rotation(purpose: str, policy: TokenPolicy) -> timedelta:
    every = timedelta(seconds=policy.rotation)
    return every if purpose == Use.ACCESS_TOKEN else max(every, API_KEY_ROTATION)


def _event(key: SigningKey) -> int:
    assert key.published_event is not None
    return key.published_event


def _planned(current: SigningKey | None, policy: TokenPolicy, now: datetime) -> datetime:
    """When the key after `current` should sign: at once where that is condemned or missing, or the algorithm has changed."""
    if current is None or current.activated_at is None or current.condemned_at is not None:
        return now
    if tokens.algorithm_of(current.public_jwk) != policy.algorithm:
        return now
    return current.activated_at + rotation(current.purpose, policy)


def _announce_at(current: SigningKey | None, policy: TokenPolicy, now: datetime) -> datetime:
    """Early enough that it is known by then."""
    return _planned(current, policy, now) - timedelta(seconds=policy.jwks_max_age) - 2 * SKEW


def _next(keys: Keys) -> datetime:
    """When there is something to do again. There always is: keys rotate for ever."""
    now = events.now()
    at = [key.remove_at for key in keys.all(Status.RETIRED) if key.remove_at is not None]
    for purpose in Use.values:
        current, after = keys.one(purpose, Status.ACTIVE), keys.one(purpose, Status.PUBLISHED)
        if after is None:
            at.append(max(now, _announce_at(current, keys.policy, now)))
        elif current is not None and current.condemned_at is not None:
            at.append(current.condemned_at + CONDEMNED)
        else:
            at.append(_ask_again(may_sign_at(after, first=current is None), now))
    return min(at)


def _ask_again(since: datetime, now: datetime) -> datetime:
    """A key that could sign waits for a gateway: soon at first, then once a minute."""
    soon, late = ASK_AGAIN
    return since if since > now else now + min(max(now - since, soon), late)
