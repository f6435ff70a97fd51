"""Automation at Acme: Ada makes a service account, gives it what she holds, and it works over REST until it ends."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.contrib.auth import authenticate
from django.db import transaction
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from apis.actions import subscriptions
from keys import service_keys, tasks, uses
from keys.actions import service_accounts
from keys.actions.service_accounts import change, revoke, roll
from keys.secrets import new_secret, new_service_key, tenant_of_service_key
from portal.settings import DATABASE_OWNER_URL
from tenants import limits
from tenants.actions import add_member
from tenants.errors import Invalid, NotAllowed
from tenants.models import Due, Event, Membership, Role, ServiceAccount, Tenant, User
from tenants.roles import EVERYONES, PERMISSIONS, permissions_of
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, make_cast, queries

ALL = frozenset(PERMISSIONS)
ADAS = permissions_of([Role.ADMIN, Role.APPROVER])
ACCOUNTS = "service-accounts/"


def bearer(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def made(cast: Cast, *permissions: str, **fields: Any) -> tuple[ServiceAccount, APIClient]:
    """Ada's service account at Acme, and what works with it."""
    with tenant_scope(cast.acme.pk):
        account, secret = make.service_account(*permissions, by=cast.ada, **fields)
    return account, bearer(secret)


def status(client: APIClient, at: Tenant, path: str = "apis/") -> int:
    return client.get(f"{base(at)}/{path}").status_code


def age(account: ServiceAccount, **fields: Any) -> None:
    with tenant_scope(account.owning_tenant):
        ServiceAccount.objects.filter(pk=account.pk).update(**fields)


# --- the secret


def test_a_service_key_names_its_tenant_and_tells_a_typing_error() -> None:
    tenant = uuid4()
    key = new_service_key(tenant)
    assert (len(key), key[:8]) == (81, "ptc_svc_")
    assert tenant_of_service_key(key) == tenant
    for index in range(len(key)):
        other = "x" if key[index] != "x" else "y"
        assert tenant_of_service_key(key[:index] + other + key[index + 1 :]) is None
    for none in ("", "ptc_svc_", key + "\n", key[:-1], new_secret(), key.replace("_", "-")):
        assert tenant_of_service_key(none) is None
    assert tenant_of_service_key(new_service_key(UUID(int=0))) == UUID(int=0)
    assert tenant_of_service_key(new_service_key(UUID(int=2**128 - 1))) == UUID(int=2**128 - 1)


def test_only_what_the_pepper_made_of_it_is_stored(in_acme: Cast) -> None:
    account, secret = make.service_account(by=in_acme.ada)
    assert secret not in str(ServiceAccount.objects.filter(pk=account.pk).values())
    assert account.last_four == secret[-4:]


# --- what it opens


def test_it_may_what_it_was_given_and_nothing_else(cast: Cast) -> None:
    _, terraform = made(cast, "apis.publish")
    assert status(terraform, cast.acme) == 200
    document = {"slug": "orders", "name": "Orders", "description": ""}
    assert terraform.post(f"{base(cast.acme)}/apis/", document).status_code == 201
    for path in ("members/", "events/", ACCOUNTS, "signing-keys/"):
        assert status(terraform, cast.acme, path) == 403, path
    with tenant_scope(cast.acme.pk):
        event = Event.objects.get(kind="api.created")
    assert event.actor_name.endswith("(service account)")


def test_it_owns_what_it_registers_if_it_may(cast: Cast) -> None:
    account, ci = made(cast, "applications.own")
    shop = ci.post(f"{base(cast.acme)}/applications/", {"name": "Shop", "purpose": "It sells.", "environment": "live"}).json()
    assert ci.post(f"{base(cast.acme)}/applications/{shop['id']}/credentials/", {}).status_code == 201
    with tenant_scope(cast.acme.pk):
        make.application(cast.carl)
    assert [row["id"] for row in ci.get(f"{base(cast.acme)}/applications/").json()["results"]] == [shop["id"]]
    assert account.user.is_service


def test_elsewhere_it_is_a_stranger_like_any(cast: Cast, rest: Rest) -> None:
    _, ci = made(cast, *PERMISSIONS)
    nowhere = "/api/v1/tenants/nowhere"
    for client in (ci, rest(cast.ada)):
        answers = [client.get(f"{at}/apis/") for at in (base(cast.globex), nowhere)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert len({answer.json()["detail"] for answer in answers}) == 1


def test_it_sees_its_one_tenant(cast: Cast) -> None:
    _, ci = made(cast)
    with tenant_scope(cast.globex.pk):
        make.service_account(by=cast.eve)
    assert ci.get("/api/v1/tenants/").json()["results"] == [{"slug": "acme", "name": "Acme", "roles": []}]
    detail = ci.get(f"{base(cast.acme)}/").json()
    assert (detail["slug"], detail["roles"]) == ("acme", [])


def sent_by(ci: Any) -> str:
    """The secret that this client sends."""
    return str(ci._credentials["HTTP_AUTHORIZATION"]).removeprefix("Bearer ")


def test_it_signs_in_nowhere(cast: Cast) -> None:
    account, ci = made(cast, *PERMISSIONS)
    secret = sent_by(ci)
    assert account.user.email.endswith("@service.invalid")
    assert not account.user.has_usable_password()
    for word in (secret, "", "!", "password"):
        assert authenticate(username=account.user.email, password=word) is None
    with transaction.atomic():
        given = {"email": account.user.email, "password": secret}
        assert Client().post("/api/v1/session/", given, content_type="application/json").status_code == 401
    page = Client().get("/t/acme/console/members/", headers={"authorization": f"Bearer {secret}", "accept": "text/html"})
    assert (page.status_code, page["Location"].partition("?")[0]) == (302, "/accounts/login/")


@pytest.mark.parametrize("scheme,works", [("Bearer", True), ("bearer", True), ("Basic", False), ("Token", False)])  # fmt: skip
def test_it_is_sent_as_a_bearer_token_alone(cast: Cast, scheme: str, works: bool) -> None:
    _, ci = made(cast)
    secret = sent_by(ci)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"{scheme} {secret}")
    assert (status(client, cast.acme) == 200) == works
    assert APIClient().get(f"{base(cast.acme)}/apis/", {"access_token": secret}).status_code == 401


def test_every_wrong_key_is_refused_alike(cast: Cast) -> None:
    revoked_account, revoked = made(cast)
    ended_account, ended = made(cast)
    off_account, off = made(cast)
    with tenant_scope(cast.acme.pk):
        revoke(revoked_account, by=cast.ada)
    age(ended_account, expires_at=timezone.now() - timedelta(seconds=1))
    User.objects.filter(pk=off_account.user_id).update(is_active=False)
    mistyped = bearer(new_service_key(cast.acme.pk)[:-1] + "!")
    others = [bearer(new_service_key(each)) for each in (cast.acme.pk, cast.globex.pk, uuid4())]
    answers = [client.get(f"{base(cast.acme)}/apis/") for client in (revoked, ended, off, mistyped, *others)]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["detail"] for answer in answers} == {"This service key is not known here, or has ended."}
    assert {answer["WWW-Authenticate"] for answer in answers} == {'Bearer realm="portico"'}


def test_a_guesser_is_slowed_down_and_the_right_key_beside_them_is_not(cast: Cast) -> None:
    _, ci = made(cast)
    statuses = [status(bearer(new_service_key(cast.acme.pk)), cast.acme) for _ in range(32)]
    assert statuses == [401] * 30 + [429] * 2
    assert bearer(new_service_key(cast.acme.pk)).get(f"{base(cast.acme)}/apis/")["Retry-After"].isdigit()
    assert status(ci, cast.acme) == 200
    elsewhere = bearer(new_service_key(cast.acme.pk))
    assert elsewhere.get(f"{base(cast.acme)}/apis/", REMOTE_ADDR="192.0.2.7").status_code == 401


def test_what_is_for_people_is_not_for_it(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of REST that any signed-in person may enter is closed to it, unless it says otherwise."""
    _, ci = made(cast, *PERMISSIONS)
    monkeypatch.delattr("tenants.rest.Tenants.open_to_services")
    answer = ci.get("/api/v1/tenants/")
    assert (answer.status_code, answer.json()["detail"]) == (403, "This is for people; a service account works inside its tenant.")


# --- who gives what


def test_nobody_gives_what_they_do_not_hold(in_acme: Cast) -> None:
    keeper = make.custom_role("Keeper", ["service_accounts.manage"])
    add_member(in_acme.pam, roles=[Role.PUBLISHER], custom_roles=[keeper.pk], by=None)
    with pytest.raises(NotAllowed, match="“keys.manage”"):
        make.service_account("apis.publish", "keys.manage", by=in_acme.pam)
    account, _ = make.service_account("apis.publish", by=in_acme.pam)
    assert set(account.permissions) == {"apis.publish", "apis.see_all", *EVERYONES}
    with pytest.raises(NotAllowed, match="“audit.read”"):
        change(account, permissions=["audit.read"], by=in_acme.pam)
    adas, _ = make.service_account("keys.manage", by=in_acme.ada)
    for what in list[dict[str, Any]]([{"permissions": []}, {"days": 300}]):
        with pytest.raises(NotAllowed, match="“keys."):
            change(adas, **what, by=in_acme.pam)
    with pytest.raises(NotAllowed, match="“keys."):
        roll(adas, grace="0", by=in_acme.pam)


def test_it_may_never_do_more_than_who_answers_for_it(cast: Cast) -> None:
    _, ci = made(cast, "keys.see", "apis.publish")
    assert status(ci, cast.acme, "signing-keys/") == 200
    with tenant_scope(cast.acme.pk):
        add_member(cast.ada, roles=[Role.PUBLISHER], by=None)
    assert status(ci, cast.acme, "signing-keys/") == 403
    assert status(ci, cast.acme) == 200
    with tenant_scope(cast.acme.pk):
        Membership.objects.filter(user=cast.ada).delete()
    assert status(ci, cast.acme) == 404


def test_it_stops_with_a_person_who_was_switched_off(cast: Cast) -> None:
    _, ci = made(cast)
    User.objects.filter(pk=cast.ada.pk).update(is_active=False)
    assert status(ci, cast.acme) == 404


@pytest.mark.parametrize("who_asks", ["the service account", "Ada"])
def test_it_is_no_second_pair_of_eyes(in_acme: Cast, who_asks: str) -> None:
    account, _ = make.service_account("applications.own", "subscriptions.decide", by=in_acme.ada)
    asks, decides = (account.user, in_acme.ada) if who_asks == "the service account" else (in_acme.ada, account.user)
    pending = make.subscription(of=make.application(in_acme.carl), status="pending")
    type(pending).objects.filter(pk=pending.pk).update(requested_by=asks)
    pending.refresh_from_db()
    with pytest.raises(NotAllowed, match="request of your own"):
        subscriptions.approve(pending, by=decides)
    own = make.subscription(of=make.application(asks), status="pending")
    with pytest.raises(NotAllowed, match="request of your own"):
        subscriptions.approve(own, by=decides)
    other = make.subscription(of=make.application(in_acme.carl), status="pending")
    assert subscriptions.approve(other, by=decides).kind == "subscription.approved"


def test_who_asked_with_a_secret_that_was_rolled_since_asked_all_the_same(in_acme: Cast) -> None:
    """Neither of the two decides: Alan may know what was asked for with it since."""
    account, _ = make.service_account("applications.own", by=in_acme.ada)
    alan = make.member(in_acme.acme, "alan@acme.example", Role.ADMIN)
    pending = make.subscription(of=make.application(in_acme.carl), status="pending")
    type(pending).objects.filter(pk=pending.pk).update(requested_by=account.user)
    roll(account, grace="0", by=alan)
    pending.refresh_from_db()
    for person in (in_acme.ada, alan):
        with pytest.raises(NotAllowed, match="request of your own"):
            subscriptions.approve(pending, by=person)


def test_who_lost_the_right_meanwhile_makes_none(in_acme: Cast) -> None:
    account, _ = make.service_account(by=in_acme.ada)
    add_member(in_acme.ada, roles=[Role.PUBLISHER], by=None)
    for act in (
        lambda: make.service_account(by=in_acme.ada),
        lambda: change(account, days=300, by=in_acme.ada),
        lambda: roll(account, grace="0", by=in_acme.ada),
        lambda: revoke(account, by=in_acme.ada),
    ):
        with pytest.raises(NotAllowed, match="“service_accounts.manage”"):
            act()


def test_what_a_service_account_makes_its_person_answers_for(in_acme: Cast) -> None:
    first, _ = make.service_account("service_accounts.manage", by=in_acme.ada)
    second, _ = make.service_account(by=first.user)
    assert second.created_by == in_acme.ada
    assert Event.objects.get(kind="service_account.created", subject_id=second.pk).actor_id == first.user_id


# --- making, changing, rolling, ending


@pytest.mark.parametrize("days", [0, -1, 366, 10**9])
def test_it_ends_after_a_day_to_a_year(in_acme: Cast, days: int) -> None:
    with pytest.raises(Invalid, match="from 1 to 365"):
        make.service_account(days=days)
    account, _ = make.service_account()
    with pytest.raises(Invalid, match="from 1 to 365"):
        change(account, days=days, by=in_acme.ada)
    assert timedelta(days=89) < account.expires_at - timezone.now() < timedelta(days=91)


def test_names_are_told_apart_and_free_again_after_the_end(in_acme: Cast) -> None:
    account, _ = make.service_account(name="CI")
    with pytest.raises(Invalid, match="“CI” already"):
        make.service_account(name="CI")
    revoke(account, by=in_acme.ada)
    assert make.service_account(name="CI")


def test_a_permission_that_is_none_is_named(in_acme: Cast) -> None:
    with pytest.raises(Invalid, match="“keys.eat”"):
        make.service_account("keys.eat", by=in_acme.ada)


def test_a_tenant_has_so_many(in_acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SERVICE_ACCOUNTS", 2)
    account, _ = make.service_account()
    make.service_account()
    with pytest.raises(NotAllowed, match="as many as a tenant may have"):
        make.service_account()
    revoke(account, by=in_acme.ada)
    make.service_account()


def test_a_change_says_what_was_and_counts_at_once(cast: Cast) -> None:
    account, ci = made(cast, "keys.see")
    assert status(ci, cast.acme, "signing-keys/") == 200
    with tenant_scope(cast.acme.pk):
        event = change(account, permissions=["apis.see_all"], by=cast.ada)
        assert change(account, permissions=["apis.see_all"], description="", by=cast.ada) is None
    assert event is not None
    was, now = event.data["was"]["permissions"], event.data["now"]["permissions"]
    assert (set(was) - set(now), set(now) - set(was)) == ({"keys.see"}, {"apis.see_all"})
    assert status(ci, cast.acme, "signing-keys/") == 403


@pytest.mark.parametrize("grace,minutes", [("1h", 60), ("24h", 24 * 60)])  # fmt: skip
def test_a_rolled_secret_works_for_its_grace(cast: Cast, grace: str, minutes: int) -> None:
    account, old = made(cast)
    with tenant_scope(cast.acme.pk):
        new = bearer(roll(account, grace=grace, by=cast.ada))
    assert account.former_until is not None
    assert abs(account.former_until - timezone.now() - timedelta(minutes=minutes)) < timedelta(minutes=1)
    assert [status(each, cast.acme) for each in (old, new)] == [200, 200]
    age(account, former_until=timezone.now() - timedelta(seconds=1))
    assert [status(each, cast.acme) for each in (old, new)] == [401, 200]


def test_without_grace_the_old_ones_end_at_once(cast: Cast) -> None:
    account, first = made(cast)
    with tenant_scope(cast.acme.pk):
        second = bearer(roll(account, grace="24h", by=cast.ada))
        with pytest.raises(Invalid, match="still works"):
            roll(account, grace="1h", by=cast.ada)
        third = bearer(roll(account, grace="0", by=cast.ada))
        with pytest.raises(Invalid, match="0, 1h, 24h"):
            roll(account, grace="7d", by=cast.ada)
    assert [status(each, cast.acme) for each in (first, second, third)] == [401, 401, 200]


def test_who_rolls_it_answers_for_it(cast: Cast) -> None:
    """Ada has left, and her secret with her: Alan takes the account over."""
    account, adas = made(cast, "apis.see_all")
    alan = make.member(cast.acme, "alan@acme.example", Role.ADMIN)
    with tenant_scope(cast.acme.pk):
        with pytest.raises(Invalid, match="Ada answers for it"):
            roll(account, grace="24h", by=alan)
        alans = bearer(roll(account, grace="0", by=alan))
        Membership.objects.filter(user=cast.ada).delete()
    assert account.created_by == alan
    assert [status(each, cast.acme) for each in (adas, alans)] == [401, 200]


def test_what_has_ended_stays_ended(in_acme: Cast) -> None:
    account, _ = make.service_account()
    revoke(account, reason="It leaked.", by=in_acme.ada)
    assert Event.objects.get(kind="service_account.revoked").data["reason"] == "It leaked."
    for act in (
        lambda: revoke(account, by=in_acme.ada),
        lambda: change(account, days=1, by=in_acme.ada),
        lambda: roll(account, grace="0", by=in_acme.ada),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_what_is_over_before_the_job_says_so_is_over(in_acme: Cast) -> None:
    account, _ = make.service_account()
    age(account, expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(NotAllowed, match="has ended"):
        change(account, days=300, by=in_acme.ada)


def test_the_job_ends_those_whose_time_has_come_and_no_other(transactional_db: None) -> None:
    cast = make_cast()
    soon, _ = made(cast, days=1)
    later, _ = made(cast, days=3)
    with tenant_scope(cast.globex.pk):
        eves, _ = make.service_account(days=1, by=cast.eve)
    with psycopg.connect(DATABASE_OWNER_URL) as owner:
        for tenant in (cast.acme, cast.globex):
            owner.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(tenant.pk)])
            owner.execute("UPDATE tenants_serviceaccount SET expires_at = expires_at - interval '25 hours'")
        owner.execute("UPDATE tenants_due SET at = at - interval '25 hours'")
    assert tasks.expire_service_accounts() == 2
    assert tasks.expire_service_accounts() == 0
    for account, found in ((soon, "expired"), (later, "active"), (eves, "expired")):
        with tenant_scope(account.owning_tenant):
            account.refresh_from_db()
        assert account.status == found
    assert Due.objects.get(tenant=cast.acme, job=service_accounts.EXPIRE_JOB).at == later.expires_at
    assert not Due.objects.filter(tenant=cast.globex, job=service_accounts.EXPIRE_JOB).exists()


def test_its_use_is_noted_once_a_minute_and_not_by_the_request(cast: Cast) -> None:
    account, ci = made(cast)
    with tenant_scope(cast.acme.pk):
        assert status(ci, cast.acme) == 200
        account.refresh_from_db()
        assert account.last_used_at is None
    uses.flush_services()
    with tenant_scope(cast.acme.pk):
        account.refresh_from_db()
    first: Any = account.last_used_at
    assert first
    assert status(ci, cast.acme) == 200
    assert uses._services == {}
    age(account, last_used_at=first - service_keys.NOTED_EVERY - timedelta(seconds=1))
    assert status(ci, cast.acme) == 200
    assert uses._services == {account.pk: cast.acme.pk}
    uses.flush_services()


# --- REST


def test_ada_does_all_of_it_over_rest(cast: Cast, rest: Rest) -> None:
    ada, accounts = rest(cast.ada), f"{base(cast.acme)}/{ACCOUNTS}"
    answer = ada.post(accounts, {"name": "Terraform", "permissions": ["apis.publish"], "days": 30})
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    account = answer.json()
    assert account["created_by"] == "ada@acme.example"
    assert status(bearer(account["secret"]), cast.acme) == 200
    one = f"{accounts}{account['id']}/"
    assert "secret" not in ada.get(one).json()
    assert [row["name"] for row in ada.get(accounts).json()["results"]] == ["Terraform"]
    assert ada.patch(one, {"description": "In CI."}).json()["description"] == "In CI."
    rolled = ada.post(f"{one}roll/", {"grace": "0"})
    assert (rolled.status_code, rolled["Cache-Control"]) == (201, "no-store")
    assert status(bearer(account["secret"]), cast.acme) == 401
    assert ada.post(f"{one}revoke/", {"reason": "Not needed."}).json()["status"] == "revoked"
    assert ada.post(f"{one}revoke/", {}).status_code == 409
    assert status(bearer(rolled.json()["secret"]), cast.acme) == 401


@pytest.mark.parametrize(
    "body,field",
    [
        ({"name": "", "permissions": []}, "name"),
        ({"name": "x" * 61, "permissions": []}, "name"),
        ({"name": "a\x00b", "permissions": []}, "name"),
        ({"permissions": []}, "name"),
        ({"name": "CI"}, "permissions"),
        ({"name": "CI", "permissions": ["no.such"]}, "permissions"),
        ({"name": "CI", "permissions": "apis.publish"}, "permissions"),
        ({"name": "CI", "permissions": [], "days": 366}, "days"),
        ({"name": "CI", "permissions": [], "days": "soon"}, "days"),
        ({"name": "CI", "permissions": [], "status": "active"}, "status"),
    ],
)
def test_what_can_not_be_used_is_said_at_its_field(cast: Cast, rest: Rest, body: dict[str, Any], field: str) -> None:
    answer = rest(cast.ada).post(f"{base(cast.acme)}/{ACCOUNTS}", body)
    assert (answer.status_code, set(answer.json()["errors"])) == (422, {field})
    with tenant_scope(cast.acme.pk):
        assert not ServiceAccount.objects.exists()
    assert not User.objects.filter(is_service=True).exists()


@pytest.mark.parametrize("who,wanted", [("carl", 403), ("pam", 403), ("eve", 404), ("olga", 404), (None, 401)])  # fmt: skip
def test_nobody_else_gets_to_them(cast: Cast, rest: Rest, who: str | None, wanted: int) -> None:
    account, _ = made(cast)
    client, accounts = rest(getattr(cast, who) if who else None), f"{base(cast.acme)}/{ACCOUNTS}"
    for method, path in (
        ("get", ""),
        ("post", ""),
        ("get", f"{account.pk}/"),
        ("patch", f"{account.pk}/"),
        ("post", f"{account.pk}/roll/"),
    ):
        assert getattr(client, method)(accounts + path, {}).status_code == wanted, (method, path)
    with tenant_scope(cast.acme.pk):
        account.refresh_from_db()
    assert account.status == "active"


def test_eve_finds_no_account_of_acme_at_globex(cast: Cast, rest: Rest) -> None:
    account, _ = made(cast)
    for path in ("", "roll/", "revoke/"):
        client = rest(cast.eve)
        asked = client.post if path else client.get
        assert asked(f"{base(cast.globex)}/{ACCOUNTS}{account.pk}/{path}").status_code == 404


def test_as_many_queries_for_many_and_for_a_service_account(cast: Cast, rest: Rest) -> None:
    account, ci = made(cast, *PERMISSIONS)
    with tenant_scope(cast.acme.pk):
        for _ in range(5):
            make.service_account(by=cast.ada)
    ada = rest(cast.ada)
    with queries("service-accounts/"):
        ada.get(f"{base(cast.acme)}/{ACCOUNTS}")
    with queries("service-accounts/<id>/"):
        ada.get(f"{base(cast.acme)}/{ACCOUNTS}{account.pk}/")
    with queries("apis/ by a service account"):
        ci.get(f"{base(cast.acme)}/apis/")
