"""Every way in which access ends, walked at a real Envoy with a token that lives on and with an API key.

200 before; refused with the right code once the receipt says so, which is within a second; and 200 never again.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client as Program

from apis.actions import applications as endings
from apis.actions import dates, plans, policies, publishing, subscriptions, versions
from apis.models import ApiVersion, BrownOut, Subscription
from gateway import rotation
from keys.actions import application_life, credentials, leaving
from keys.actions.applications import transfer
from keys.models import Credential, SigningKey
from tenants import events
from tenants.errors import NotAllowed
from tenants.event_kinds import GATEWAY_KINDS
from tenants.models import Event, Membership, Tenant, User
from tenants.people import platform, teams, tenants
from tests import live, make
from tests.gateway.test_chain import assert_refused
from tests.live import Gateway, Shop, Upstream

PASSES = (200, "")
REVOKED, KEY_REVOKED = (401, "TOKEN_REVOKED"), (401, "KEY_REVOKED")
SUSPENDED, CANCELLED = (403, "SUBSCRIPTION_SUSPENDED"), (403, "SUBSCRIPTION_CANCELLED")
EXPIRED = (403, "SUBSCRIPTION_EXPIRED")
HALTED, STANDS_STILL = (403, "APPLICATION_SUSPENDED"), (403, "TENANT_SUSPENDED")
# Of a token that the token endpoint gives nobody any more.
NONE = (0, "")


@dataclass
class Caller:
    """An application of Carl's with a client secret and an API key, and what the two let it call with."""

    shop: Shop
    held: Subscription
    secret: Credential
    text: str
    key: Credential
    api_key: str
    # Tokens, the oldest first.
    earned: list[str] = field(default_factory=list)

    @property
    def owner(self) -> User:
        return self.held.application.owner

    def token(self) -> str:
        """As the token endpoint gives it to the secret; "" where it gives none."""
        basic = base64.b64encode(f"{self.held.application.client_id}:{self.text}".encode()).decode()
        answer = self._asks("token", Program(HTTP_AUTHORIZATION=f"Basic {basic}"), grant_type="client_credentials")
        found = str(answer.json().get("access_token", ""))
        self.earned.append(found)
        return found

    def give_back(self, text: str) -> None:
        """The application itself ends what it has (RFC 7009)."""
        mine = {"client_id": self.held.application.client_id, "client_secret": self.text}
        assert self._asks("revoke", Program(), token=text, **mine).status_code == 200

    def _asks(self, what: str, program: Program, **form: str) -> Any:
        return program.post(f"/t/{self.shop.slug}/oauth/{what}", urlencode(form), content_type="application/x-www-form-urlencoded")

    def version(self) -> ApiVersion:
        return ApiVersion.objects.select_related("api").get(api=self.held.api)


def caller(shop: Shop, *, status: str = "active") -> Caller:
    with shop.scope():
        application = make.application(make.member(Tenant.objects.get(pk=shop.pk)))
        secret, text = make.credential(application)
        key, api_key = make.api_key(application)
        held = make.subscription(status=status, of=application, to=make.plan(shop.apis["orders"], calls=100_000))
    return Caller(shop, held, secret, text, key, api_key)


# What ends it, in the tenant's scope. The receipt of the last event covers those before it.


def ada(carl: Caller) -> User:
    return carl.shop.person("approver")


def pam(carl: Caller) -> User:
    return carl.shop.person("publisher")


def deleted(carl: Caller, by: User) -> Event:
    return endings.delete(carl.held.application, reason="A test.", by=by)


def halted(carl: Caller, by: User) -> Event:
    return application_life.suspend(carl.held.application, reason="A test.", by=by)


def undone(carl: Caller) -> Event:
    return subscriptions.undo(carl.held, by=ada(carl))


def undone_and_rejected(carl: Caller) -> Event:
    undone(carl)
    return subscriptions.reject(carl.held, reason="A test.", by=ada(carl))


def rolled(credential: Credential) -> Event:
    credentials.roll(credential, grace="0", by=None)
    return Event.objects.get(kind="credential.revoked", subject_id=credential.pk)


def grace_over(credential: Credential) -> Event:
    """Rolled an hour ago, with an hour's grace."""
    credentials.roll(credential, grace="1h", by=None)
    return time_over(credential)


def time_over(credential: Credential) -> Event:
    Credential.objects.filter(pk=credential.pk).update(expires_at=Now() - timedelta(seconds=1))
    events.lock()
    credentials.expire_credentials()
    return Event.objects.get(kind="credential.expired", subject_id=credential.pk)


def over(carl: Caller) -> Event:
    """Its last second has passed."""
    Subscription.objects.filter(pk=carl.held.pk).update(ends_at=Now() - timedelta(seconds=1))
    events.lock()
    dates.turn_subscriptions()
    return Event.objects.get(kind="subscription.expired", subject_id=carl.held.pk)


def plan_closed(carl: Caller) -> Event:
    return plans.close(carl.held.plan, reason="A test.", by=pam(carl))


def retired(carl: Caller) -> Event:
    version = carl.version()
    versions.deprecate(version, reason="A test.", by=pam(carl))
    return versions.retire(version, reason="A test.", override=True, by=pam(carl))


def browned_out(carl: Caller) -> Event:
    events.lock()
    version = carl.version()
    versions.deprecate(version, reason="A test.", by=pam(carl))
    planned = versions.plan_brown_out(version, starts_at=events.now() + timedelta(hours=2), lasts=timedelta(hours=1), by=pam(carl))
    early = timedelta(minutes=121)
    BrownOut.objects.filter(pk=planned.pk).update(starts_at=F("starts_at") - early, ends_at=F("ends_at") - early)
    versions.turn_brown_outs()
    return Event.objects.get(kind="brown_out.began", subject_id=planned.pk)


def ruled(carl: Caller, **given: list[str] | int) -> Event:
    found = policies.change_policies(carl.held.api, given=given, by=pam(carl))
    assert found is not None
    return found


def other_document(carl: Caller, content: dict[str, object]) -> Event:
    target = make.target(carl.shop.upstream)
    revision = publishing.add_revision(carl.version(), document=make.document(content), target=target, by=None)
    return publishing.make_live(revision, by=None)


def operation_gone(carl: Caller) -> Event:
    return other_document(carl, {**live.DOCUMENT, "paths": {"/orders": make.DOCUMENT["paths"]["/orders"]}})


def scope_needed(carl: Caller) -> Event:
    return other_document(carl, make.SCOPED)


def given_back(carl: Caller, text: str) -> Event:
    carl.give_back(text)
    return Event.objects.filter(kind__in=["token.revoked", "credential.revoked"]).latest("number")


def condemned(carl: Caller, purpose: str) -> Event:
    with carl.shop.scope():
        key_id = SigningKey.objects.get(purpose=purpose, status=SigningKey.Status.ACTIVE).pk
    return rotation.compromise(carl.shop.pk, key_id, by=None, reason="A test.")


def tenant_suspended(carl: Caller) -> Event:
    return tenants.suspend(Tenant.objects.get(pk=carl.shop.pk), reason="A test.", by=make.user(is_staff=True))


def tenant_closing(carl: Caller) -> Event:
    return tenants.close(name=carl.shop.slug.title(), reason="A test.", by=carl.shop.person("admin"))


Code = tuple[int, str]


@dataclass(frozen=True, slots=True)
class End:
    """What a call is answered with from then on: by the token from before, by the API key, and by a token that is earned anew.

    `others`: what other applications' calls are answered with.
    """

    by: Callable[[Caller], Event]
    token: Code
    key: Code
    anew: Code
    others: Code = PASSES
    # Works outside any scope: between its transactions it waits.
    own_scope: bool = False


def all_alike(by: Callable[[Caller], Event], code: Code, *, others: Code = PASSES, anew: Code | None = None) -> End:
    return End(by, code, code, code if anew is None else anew, others)


RETIRED, BLOCKED, BROWN_OUT = (410, "API_RETIRED"), (503, "API_BLOCKED"), (503, "BROWN_OUT")
GONE, SCOPE, DENIED = (404, "NO_SUCH_ROUTE"), (403, "SCOPE_MISSING"), (403, "IP_DENIED")
INVALID, KEY_EXPIRED = (401, "TOKEN_INVALID"), (401, "KEY_EXPIRED")

WAYS: dict[str, End] = {
    # The application.
    "its owner deletes the application": End(lambda carl: deleted(carl, carl.owner), REVOKED, KEY_REVOKED, NONE),
    "an admin deletes the application": End(lambda carl: deleted(carl, carl.shop.person("admin")), REVOKED, KEY_REVOKED, NONE),
    "its owner suspends the application": all_alike(lambda carl: halted(carl, carl.owner), HALTED, anew=NONE),
    "an approver suspends the application": all_alike(lambda carl: halted(carl, ada(carl)), HALTED, anew=NONE),
    # The subscription.
    "the subscription is suspended": all_alike(lambda carl: subscriptions.suspend(carl.held, reason="x", by=ada(carl)), SUSPENDED),
    "the subscription's end comes": all_alike(over, EXPIRED),
    "its owner cancels the subscription": all_alike(lambda carl: subscriptions.cancel(carl.held, by=carl.owner), CANCELLED),
    "an approver cancels the subscription": all_alike(lambda carl: subscriptions.cancel(carl.held, reason="x", by=ada(carl)), CANCELLED),
    "the approval is undone": all_alike(undone, (403, "SUBSCRIPTION_PENDING")),
    "the approval is undone, and the request rejected": all_alike(undone_and_rejected, (403, "SUBSCRIPTION_REJECTED")),
    "the plan is closed": all_alike(plan_closed, CANCELLED),
    # Credentials.
    "the secret is revoked": End(lambda carl: credentials.revoke(carl.secret, by=carl.owner), REVOKED, PASSES, NONE),
    "the key is revoked": End(lambda carl: credentials.revoke(carl.key, by=carl.owner), PASSES, KEY_REVOKED, PASSES),
    "the secret is rolled without grace": End(lambda carl: rolled(carl.secret), REVOKED, PASSES, NONE),
    "the key is rolled without grace": End(lambda carl: rolled(carl.key), PASSES, KEY_REVOKED, PASSES),
    "the grace of the secret is over": End(lambda carl: grace_over(carl.secret), REVOKED, PASSES, NONE),
    "the grace of the key is over": End(lambda carl: grace_over(carl.key), PASSES, KEY_EXPIRED, PASSES),
    "the secret expires": End(lambda carl: time_over(carl.secret), REVOKED, PASSES, NONE),
    "the key expires": End(lambda carl: time_over(carl.key), PASSES, KEY_EXPIRED, PASSES),
    "the token is given back": End(lambda carl: given_back(carl, carl.earned[0]), REVOKED, PASSES, PASSES),
    "the key is given back": End(lambda carl: given_back(carl, carl.api_key), PASSES, KEY_REVOKED, PASSES),
    # The API.
    "the version is retired, and with it the API": all_alike(retired, RETIRED, others=RETIRED),
    "the version is blocked": all_alike(lambda carl: versions.block(carl.version(), reason="x", by=pam(carl)), BLOCKED, others=BLOCKED),
    "a brown-out begins": all_alike(browned_out, BROWN_OUT, others=BROWN_OUT),
    "the operation goes": all_alike(operation_gone, GONE, others=GONE),
    "the operation needs a scope": End(scope_needed, SCOPE, PASSES, PASSES, SCOPE),
    "the network is denied": all_alike(lambda carl: ruled(carl, ip_deny=[live.HOST]), DENIED, others=DENIED),
    "the network is not one of those allowed": all_alike(lambda carl: ruled(carl, ip_allow=["203.0.113.0/24"]), DENIED, others=DENIED),
    # The tenant.
    "the key that signs tokens is compromised": End(
        lambda carl: condemned(carl, "access_token"), INVALID, PASSES, PASSES, INVALID, own_scope=True
    ),
    "the key that signs API keys is compromised": End(lambda carl: condemned(carl, "api_key"), PASSES, INVALID, PASSES, own_scope=True),
    "an operator suspends the tenant": End(tenant_suspended, STANDS_STILL, STANDS_STILL, NONE, STANDS_STILL, own_scope=True),
    "the tenant is closing": all_alike(tenant_closing, STANDS_STILL, others=STANDS_STILL, anew=NONE),
}


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    return live.shop(upstream)


@pytest.fixture
def dora(shop: Shop) -> Caller:
    """Somebody else's application."""
    return caller(shop)


@pytest.fixture
def carl(gateway: Gateway, shop: Shop, dora: Caller, monkeypatch: pytest.MonkeyPatch) -> Caller:
    # A slow machine has not called within the ten seconds in which an approval can be undone.
    monkeypatch.setattr(subscriptions, "UNDO", timedelta(minutes=10))
    found = caller(shop)
    for text in (found.api_key, dora.token(), found.token()):
        assert text, "the token endpoint gives none"
        gateway.settles(200, "", shop.path(), text)
    return found


@pytest.mark.parametrize("name", WAYS)
def test_access_ends(gateway: Gateway, shop: Shop, carl: Caller, dora: Caller, upstream: Upstream, name: str) -> None:
    end, path = WAYS[name], shop.path()
    (token,), (hers,) = carl.earned, dora.earned
    assert [gateway.call(path, text).status for text in (token, carl.api_key, hers)] == [200] * 3
    event = end.by(carl) if end.own_scope else shop.does(end.by, carl)
    receipt = shop.enforced(event)
    assert receipt.ms is not None
    assert receipt.ms < 1_000, receipt.sentence
    before, passed = len(upstream.seen), 0

    def answers(text: str, wanted: Code) -> bool:
        nonlocal passed
        answer = gateway.call(path, text)
        if wanted == PASSES:
            passed += 1
            assert answer.status == 200, str(answer)
        else:
            assert_refused(answer, *wanted)
        return True

    live.stays(lambda: answers(token, end.token) and answers(carl.api_key, end.key) and answers(hers, end.others))
    assert len(upstream.seen) - before == passed, "what is refused never reaches the upstream"
    anew = carl.token()
    assert bool(anew) == (end.anew != NONE)
    if anew and end.anew == PASSES:
        gateway.settles(200, "", path, anew)
    elif anew:
        assert answers(anew, end.anew)


def test_it_ends_for_an_envoy_that_starts_afterwards_too(gateway: Gateway, shop: Shop, carl: Caller) -> None:
    token = carl.token()
    shop.enforced(shop.does(credentials.revoke, carl.secret, by=carl.owner))
    shop.enforced(shop.does(subscriptions.suspend, carl.held, reason="x", by=ada(carl)))
    gateway.fresh_envoy()
    gateway.settles(*REVOKED, shop.path(), token)
    assert gateway.call(shop.path(), carl.api_key).code == "SUBSCRIPTION_SUSPENDED"


def test_every_decision_that_takes_access_away_is_walked() -> None:
    """A kind of event that takes away, and that no way here ends with, stands beside it with where it is walked."""
    walked = {
        "application.deleted", "application.suspended", "brown_out.began", "credential.expired", "credential.revoked", "plan.closed",
        "signing_key.compromised", "subscription.cancelled", "subscription.decision_undone", "subscription.expired",
        "subscription.rejected", "subscription.suspended", "tenant.closing", "tenant.suspended", "token.revoked",
        "version.blocked", "version.retired",
    }  # fmt: skip
    elsewhere = {
        "subscription.requested": "nothing was there before",
        "quota.passed": "until the period ends: tests/gateway/test_quotas.py",
        "budget.passed": "until the period ends: tests/gateway/test_ai_money.py",
        "tenant_budget.passed": "until the period ends: tests/gateway/test_ai_money.py",
        "domain.removed": "tests/gateway/test_own_hosts.py",
        "mcp.switched_off": "tests/gateway/test_mcp.py",
        **dict.fromkeys(
            (
                "provider.removed",
                *(f"provider_key.{verb}" for verb in ("refused", "exhausted", "failing", "removed")),
                "model_alias.deleted",
            ),
            "of a key, and nobody's access: tests/gateway/test_desired_ai.py",
        ),
        "revision.test_closed": "tests/gateway/test_testing.py",
        "signing_key.removed": "nothing that it signed is alive: tests/gateway/test_rotation.py",
    }
    assert walked | elsewhere.keys() == {kind for kind, change in GATEWAY_KINDS.items() if not change.gives}
    assert not walked & elsewhere.keys()


# What ends no access, as docs/members.md, docs/platform.md, docs/plans.md and docs/versions.md have it


def heir(carl: Caller) -> Membership:
    return Membership.objects.get(user=make.member(Tenant.objects.get(pk=carl.shop.pk)))


def removed(carl: Caller) -> None:
    membership = Membership.objects.get(user=carl.owner)
    leaving.remove(membership, to=heir(carl), by=carl.shop.person("admin"))


def left(carl: Caller) -> None:
    leaving.remove(Membership.objects.get(user=carl.owner), to=heir(carl), by=carl.owner)


def closed_account(carl: Caller) -> None:
    platform.deactivate(carl.owner, by=make.user(is_staff=True))


def team_deleted(carl: Caller) -> None:
    """Not while it owns the application; once that is given away, it goes and the application stays."""
    admin, owner = carl.shop.person("admin"), carl.owner
    team = make.team(owner)
    transfer(carl.held.application, to=team, by=owner)
    with pytest.raises(NotAllowed, match="Give away first"):
        teams.delete_team(team, by=admin)
    transfer(carl.held.application, to=heir(carl).user, by=owner)
    teams.delete_team(team, by=admin)


GOES_ON: dict[str, Callable[[Caller], object]] = {
    "its owner is removed: the application goes to somebody else, with all it has": removed,
    "its owner leaves": left,
    "its owner's account is closed": closed_account,
    "the team that had it is deleted": team_deleted,
    "the plan is deprecated": lambda carl: plans.deprecate(carl.held.plan, by=pam(carl)),
    "the version is deprecated": lambda carl: versions.deprecate(carl.version(), reason="x", by=pam(carl)),
    "the secret is rolled with grace": lambda carl: credentials.roll(carl.secret, grace="1h", by=None),
}


@pytest.mark.parametrize("name", GOES_ON)
def test_access_goes_on(gateway: Gateway, shop: Shop, carl: Caller, name: str) -> None:
    token = carl.token()
    shop.does(GOES_ON[name], carl)
    shop.enforced_newest()
    live.stays(lambda: {gateway.call(shop.path(), text).status for text in (token, carl.api_key)} == {200})
    gateway.settles(200, "", shop.path(), carl.token())
