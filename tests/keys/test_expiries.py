"""Carl hears of what ends 30, 7 and 1 days before, once each; and what ends can be read over REST."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from keys import tasks
from keys.actions import credentials, expiries, service_accounts
from keys.models import Application, Credential, CredentialUse
from portal.settings import DATABASE_OWNER_URL
from tenants import due, events
from tenants.models import Due, Event, ServiceAccount, Tenant
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, make_cast, queries


@pytest.fixture
def committed_cast(transactional_db: None) -> Cast:
    """Jobs claim what is due by the clock, which stands still inside a transaction."""
    return make_cast()


def ending(at: Tenant, days: float, *, of: Application | None = None, by: Any = None) -> Credential:
    """A credential with so many days to go, a little less than that."""
    with tenant_scope(at.pk):
        made, _ = make.credential(of or make.application(by), label="CI", expires_at=timezone.now() + timedelta(days=days))
        return made


def pass_days(days: float) -> None:
    """Everything is that much longer ago, or that much nearer."""
    ids = list(Tenant.objects.values_list("pk", flat=True))
    with psycopg.connect(DATABASE_OWNER_URL) as owner:
        for tenant_id in ids:
            owner.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(tenant_id)])
            for table in ("keys_credential", "tenants_serviceaccount"):
                owner.execute(f"UPDATE {table} SET expires_at = expires_at - make_interval(secs => %s)", [days * 86_400])
        owner.execute("UPDATE tenants_due SET at = at - make_interval(secs => %s)", [days * 86_400])


def used(credential: Credential, *, ago: timedelta = timedelta()) -> None:
    at = timezone.now() - ago
    CredentialUse.objects.create(credential=credential, day=at.date(), calls=1, first_at=at, last_at=at)


def look_again() -> None:
    """The job runs although nothing is due."""
    Due.objects.filter(job=expiries.WARN_JOB).update(at=timezone.now())
    tasks.warn_expiries()


def warnings(at: Tenant, of: str = "credential") -> list[int]:
    """The days of every warning so far, in order."""
    with tenant_scope(at.pk):
        return [event.data["days"] for event in Event.objects.filter(kind=f"{of}.ends_soon").order_by("number")]


def next_look(at: Tenant) -> datetime | None:
    return Due.objects.filter(tenant=at, job=expiries.WARN_JOB).values_list("at", flat=True).first()


# --- warnings


def test_a_warning_comes_thirty_seven_and_one_days_before_and_once_each(committed_cast: Cast) -> None:
    acme = committed_cast.acme
    ending(acme, 40)
    heard = []
    for _ in range(41):
        pass_days(1)
        tasks.warn_expiries()
        look_again()
        heard.append(len(warnings(acme)))
    assert warnings(acme) == [30, 7, 1]
    assert [heard.index(count) + 1 for count in (1, 2, 3)] == [10, 33, 39]
    assert next_look(acme) is None


def test_the_warning_says_what_ends_and_is_told_by_mail(committed_cast: Cast) -> None:
    acme = committed_cast.acme
    credential = ending(acme, 31)
    pass_days(1.5)
    Due.objects.filter(job=due.MAIL_JOB).delete()
    tasks.warn_expiries()
    with tenant_scope(acme.pk):
        [event] = Event.objects.filter(kind="credential.ends_soon")
        application = Application.objects.get()
    assert (event.subject_id, event.actor_id) == (credential.pk, None)
    assert event.data == {"days": 30, "application": application.name}
    assert Due.objects.filter(tenant=acme, job=due.MAIL_JOB).exists()


@pytest.mark.parametrize("days,heard", [(0.5, []), (1, []), (5, [1]), (7, [1]), (20, [7, 1]), (30, [7, 1]), (31, [30, 7, 1])])  # fmt: skip
def test_what_had_passed_when_it_was_made_is_not_warned_of(committed_cast: Cast, days: float, heard: list[int]) -> None:
    """A credential for five days: whoever chose that end knows it."""
    ending(committed_cast.acme, days)
    for _ in range(8 * 5):
        tasks.warn_expiries()
        pass_days(1)
    assert warnings(committed_cast.acme) == heard


def test_after_a_long_pause_there_is_one_warning_with_the_days_that_are_left(committed_cast: Cast) -> None:
    ending(committed_cast.acme, 40)
    pass_days(35.5)
    tasks.warn_expiries()
    assert warnings(committed_cast.acme) == [5]
    pass_days(4)
    tasks.warn_expiries()
    assert warnings(committed_cast.acme) == [5, 1]


def test_a_clock_that_is_set_back_warns_of_nothing_twice(committed_cast: Cast) -> None:
    ending(committed_cast.acme, 40)
    pass_days(11)
    tasks.warn_expiries()
    pass_days(-5)
    look_again()
    pass_days(5.5)
    look_again()
    assert warnings(committed_cast.acme) == [29]


def test_what_has_ended_or_was_revoked_is_not_warned_of(committed_cast: Cast) -> None:
    acme = committed_cast.acme
    gone, over = ending(acme, 8), ending(acme, 8)
    with tenant_scope(acme.pk):
        credentials.revoke(gone, by=committed_cast.carl)
    pass_days(8.5)
    tasks.warn_expiries()
    assert warnings(acme) == []
    assert over.status == "active"


def test_each_tenant_hears_of_its_own(committed_cast: Cast) -> None:
    acme, globex = committed_cast.acme, committed_cast.globex
    ending(acme, 8)
    ending(globex, 2)
    pass_days(1.5)
    assert tasks.warn_expiries() == 2
    assert (warnings(acme), warnings(globex)) == ([7], [1])
    assert tasks.warn_expiries() == 0


def test_the_next_look_is_for_the_next_warning_of_any(committed_cast: Cast) -> None:
    acme = committed_cast.acme
    far = ending(acme, 300)
    assert far.expires_at is not None
    assert next_look(acme) == far.expires_at - timedelta(days=30)
    near = ending(acme, 20)
    assert near.expires_at is not None
    assert next_look(acme) == near.expires_at - timedelta(days=7)
    pass_days(14)
    tasks.warn_expiries()
    looks = next_look(acme)
    assert looks is not None
    assert abs(looks - (near.expires_at - timedelta(days=15))) < timedelta(seconds=1)


def test_one_that_never_ends_is_no_business_of_the_job(committed_cast: Cast) -> None:
    with tenant_scope(committed_cast.acme.pk):
        make.credential()
    assert next_look(committed_cast.acme) is None


@pytest.mark.parametrize("replacement_used", [True, False])
def test_a_rolled_one_is_warned_of_only_while_nothing_uses_its_replacement(committed_cast: Cast, replacement_used: bool) -> None:
    """It ends because its owner wants it to, unless the program still has the old one."""
    acme = committed_cast.acme
    old = ending(acme, 100)
    with tenant_scope(acme.pk):
        new, _ = credentials.roll(old, grace="7d", by=committed_cast.carl)
        if replacement_used:
            used(new)
    pass_days(0.5)
    tasks.warn_expiries()
    assert warnings(acme) == [], "seven days were its owner's choice"
    pass_days(6)
    tasks.warn_expiries()
    assert warnings(acme) == ([] if replacement_used else [1])


def test_many_that_end_together_are_found_by_few_queries(in_acme: Cast) -> None:
    for _ in range(3):
        make.credential(expires_at=timezone.now() + timedelta(days=300))
    events.lock()
    with queries("job:warn_expiries with nothing due"):
        assert expiries.warn_expiries() is not None


# --- of service accounts


def account(at: Tenant, days: int) -> ServiceAccount:
    with tenant_scope(at.pk):
        return make.service_account(days=days)[0]


def test_of_a_service_account_a_warning_comes_on_the_same_days_once_each(committed_cast: Cast) -> None:
    acme = committed_cast.acme
    account(acme, 40)
    ending(acme, 60)
    heard = []
    for _ in range(41):
        pass_days(1)
        tasks.warn_expiries()
        look_again()
        heard.append(len(warnings(acme, "service_account")))
    assert warnings(acme, "service_account") == [30, 7, 1]
    assert [heard.index(count) + 1 for count in (1, 2, 3)] == [10, 33, 39]
    assert warnings(acme) == [30], "a credential's are its own"
    assert warnings(committed_cast.globex, "service_account") == []


def test_what_had_passed_when_a_service_account_was_made_is_not_warned_of(committed_cast: Cast) -> None:
    account(committed_cast.acme, 20)
    look_again()
    assert warnings(committed_cast.acme, "service_account") == []
    pass_days(13.5)
    tasks.warn_expiries()
    assert warnings(committed_cast.acme, "service_account") == [7]


def test_a_service_account_whose_end_was_put_off_is_warned_of_anew(committed_cast: Cast) -> None:
    acme = committed_cast.acme
    found = account(acme, 40)
    pass_days(35)
    tasks.warn_expiries()
    with tenant_scope(acme.pk):
        service_accounts.change(found, days=50, by=found.created_by)
    pass_days(20.5)
    tasks.warn_expiries()
    assert warnings(acme, "service_account") == [5, 30]


def test_one_that_is_to_end_sooner_is_looked_at_sooner(committed_cast: Cast) -> None:
    acme = committed_cast.acme
    found = account(acme, 300)
    assert next_look(acme) == found.expires_at - timedelta(days=30)
    with tenant_scope(acme.pk):
        service_accounts.change(found, days=20, by=found.created_by)
    assert next_look(acme) == found.expires_at - timedelta(days=7)


def test_a_service_account_that_was_revoked_is_not_warned_of(committed_cast: Cast) -> None:
    found = account(committed_cast.acme, 40)
    with tenant_scope(committed_cast.acme.pk):
        service_accounts.revoke(found, by=found.created_by)
    pass_days(35)
    tasks.warn_expiries()
    assert warnings(committed_cast.acme, "service_account") == []


# --- REST


@pytest.fixture
def agenda(in_acme: Cast) -> dict[str, Credential]:
    """Carl's three, and Ada's one."""
    now = timezone.now()
    checkout, till = make.application(in_acme.carl, name="Checkout"), make.application(in_acme.ada, name="Till")
    made = {
        "later": make.credential(checkout, label="later", expires_at=now + timedelta(days=90))[0],
        "sooner": make.credential(checkout, label="sooner", expires_at=now + timedelta(days=3))[0],
        "rolled": make.credential(checkout, label="rolled", expires_at=now + timedelta(days=60))[0],
        "adas": make.credential(till, label="adas", expires_at=now + timedelta(days=10))[0],
    }
    make.credential(checkout, label="for ever")
    revoked, _ = make.credential(checkout, label="revoked", expires_at=now + timedelta(days=5))
    credentials.revoke(revoked, by=in_acme.carl)
    credentials.roll(made["rolled"], grace="24h", by=in_acme.carl)
    used(made["sooner"])
    used(made["adas"], ago=timedelta(days=20))
    return made


def rows(rest: Rest, cast: Cast, who: Any, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rest(who).get(f"{base(cast.acme)}/expiries/{query}").json()["results"]
    return found


def test_carl_sees_his_own_soonest_first_and_ada_everyones(in_acme: Cast, agenda: dict[str, Credential], rest: Rest) -> None:
    with queries("expiries/"):
        everyones = rows(rest, in_acme, in_acme.ada)
    mine = rows(rest, in_acme, in_acme.carl)
    assert [(row["label"], row["use"]) for row in mine][:2] == [("rolled", "replaced"), ("sooner", "in_use")]
    assert {row["owner"] for row in mine} == {in_acme.carl.email}
    assert [(row["label"], row["use"]) for row in everyones] == [
        ("rolled", "replaced"), ("sooner", "in_use"), ("adas", "unused"), ("rolled", "unused"), ("later", "unused"),
    ]  # fmt: skip
    assert everyones[1]["last_used_at"] is not None
    assert everyones[1]["application_name"] == "Checkout"
    assert rows(rest, in_acme, in_acme.pam) == []


def test_the_list_has_pages(in_acme: Cast, agenda: dict[str, Credential], rest: Rest) -> None:
    client, address, seen = rest(in_acme.ada), f"{base(in_acme.acme)}/expiries/?limit=2", []
    while address:
        page = client.get(address).json()
        seen += [row["label"] for row in page["results"]]
        address = page["next"]
    assert seen == ["rolled", "sooner", "adas", "rolled", "later"]


@pytest.mark.parametrize("cursor", ["x", "cD0x", "cD0yMDI2LTEwLTAx"])
def test_a_cursor_that_is_none_is_told(in_acme: Cast, agenda: dict[str, Credential], rest: Rest, cursor: str) -> None:
    """The last two hold “p=1” and a day without a time zone."""
    assert rest(in_acme.carl).get(f"{base(in_acme.acme)}/expiries/?cursor={cursor}").status_code == 422


def test_eve_sees_none_of_it(in_acme: Cast, agenda: dict[str, Credential], rest: Rest) -> None:
    assert rest(in_acme.eve).get(f"{base(in_acme.acme)}/expiries/").status_code == 404
    assert rest(in_acme.eve).get(f"{base(in_acme.globex)}/expiries/").json()["results"] == []
