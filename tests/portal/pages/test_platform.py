"""The platform's pages: for operators, from shared tables; to others nothing is there."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from portal import job_runs, sizes
from portal.pages import erased
from portal.pages.platform import urlpatterns
from tenants.models import Due, JobRun, PlatformEvent, PlatformSettings, Tenant, TenantSize, User
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in, text

PAGES = [f"/{each.pattern}" for each in [*urlpatterns, *erased.urlpatterns] if "<" not in str(each.pattern)]


@pytest.fixture
def olga(cast: Cast) -> Client:
    return signed_in(cast.olga)


@pytest.mark.parametrize("page", PAGES)
def test_operators_alone_find_them(cast: Cast, olga: Client, page: str) -> None:
    assert olga.get(page).status_code == 200
    assert signed_in(cast.ada).get(page).status_code == 404
    assert signed_in(cast.ada).get("/platform/nothing/").status_code == 404
    assert Client().get(page).status_code == 302


def test_tenants_with_their_sizes(in_acme: Cast, olga: Client) -> None:
    make.subscription(status="active")
    Due.objects.filter(tenant_id=in_acme.acme.pk, job="measure_tenants").update(at=timezone.now() - timedelta(minutes=1))
    sizes.measure_tenants()
    shown = text(olga.get("/platform/?q=acme"))
    size = TenantSize.objects.get(tenant=in_acme.acme)
    assert (size.apis, size.applications, size.subscriptions) == (1, 1, 1)
    assert size.members >= 3
    assert "Acme" in shown
    assert "Globex" not in shown
    TenantSize.objects.filter(tenant=in_acme.acme).update(subscriptions=0)
    assert "—" in text(olga.get("/platform/?q=globex")), "nobody has counted it"
    assert "—" not in text(olga.get("/platform/?q=acme")), "none is a number, too"
    assert "Globex" not in text(olga.get("/platform/?status=suspended"))
    assert Due.objects.get(tenant_id=in_acme.acme.pk, job="measure_tenants").at > timezone.now() + timedelta(hours=23)


def test_a_tenant_is_suspended_with_a_reason_and_resumed(cast: Cast, olga: Client) -> None:
    page, ada = "/platform/tenants/acme", signed_in(cast.ada)
    assert f'href="{page}/suspend/"' in olga.get("/platform/").content.decode()
    assert "Every call of it is refused" in text(olga.get(f"{page}/suspend/"))
    assert olga.post(f"{page}/suspend/", {"reason": " "}).status_code == 422
    assert Tenant.objects.get(slug="acme").status == "active"
    assert olga.post(f"{page}/suspend/", {"reason": "Unpaid since May."})["Location"] == "/platform/"
    assert "Unpaid since May." in text(ada.get("/t/acme/"))
    assert olga.post(f"{page}/suspend/", {"reason": "Again."}).status_code == 409
    assert f'href="{page}/resume/"' in olga.get("/platform/").content.decode()
    assert "It was suspended for: Unpaid since May." in text(olga.get(f"{page}/resume/"))
    assert olga.post(f"{page}/resume/")["Location"] == "/platform/"
    assert "Unpaid since May." not in text(ada.get("/t/acme/"))
    kinds = list(PlatformEvent.objects.filter(subject_id=cast.acme.pk).order_by("number").values_list("kind", flat=True))
    assert kinds[-2:] == ["tenant.suspended", "tenant.resumed"]


@pytest.mark.parametrize("verb", ["suspend", "resume"])
def test_nobody_else_suspends_or_resumes(cast: Cast, olga: Client, verb: str) -> None:
    """To Ada, whose tenant it is, and to Eve of Globex nothing is there."""
    page = f"/platform/tenants/acme/{verb}/"
    for user in (cast.ada, cast.eve):
        assert [signed_in(user).get(page).status_code, signed_in(user).post(page, {"reason": "Mine."}).status_code] == [404, 404]
    assert Client().get(page).status_code == 302
    assert olga.get(f"/platform/tenants/nobody/{verb}/").status_code == 404
    assert Tenant.objects.get(slug="acme").status == "active"


def test_an_account_is_closed_and_opened_again(cast: Cast, olga: Client) -> None:
    carl, page = signed_in(cast.carl), f"/platform/people/{cast.carl.pk}"
    assert "They can sign in nowhere any more" in text(olga.get(f"{page}/close/"))
    assert olga.post(f"{page}/close/").status_code == 302
    assert carl.get("/t/acme/").status_code == 302, "his session has ended"
    assert olga.post(f"{page}/close/").status_code == 409
    assert olga.post(f"{page}/open/").status_code == 302
    assert User.objects.get(pk=cast.carl.pk).is_active
    kinds = list(PlatformEvent.objects.filter(subject_id=cast.carl.pk).order_by("number").values_list("kind", flat=True))
    assert kinds == ["person.deactivated", "person.reactivated"]
    assert olga.post(f"/platform/people/{cast.olga.pk}/close/").status_code == 409, "her own"
    assert olga.get(f"{page}/nothing/").status_code == 404


def test_the_platforms_settings(cast: Cast, olga: Client) -> None:
    sent = {"tenants_by": "everybody", "sign_up": "domains", "sign_up_domains": ""}
    assert "Name at least one domain" in text(olga.post("/platform/settings/", sent))
    assert olga.post("/platform/settings/", {**sent, "sign_up_domains": "Acme.example"}).status_code == 302
    now = PlatformSettings.get()
    assert (now.tenants_by, now.sign_up, now.sign_up_domains) == ("everybody", "domains", ["acme.example"])
    event = PlatformEvent.objects.get(kind="platform.changed")
    assert event.data["now"] == {"tenants_by": "everybody", "sign_up": "domains", "sign_up_domains": ["acme.example"]}


def test_jobs_tell_their_last_run_and_their_failures(cast: Cast, olga: Client) -> None:
    job_runs.note("portal.tasks.send_mails", took=0.25, error="")
    job_runs.note("portal.tasks.send_mails", took=0.5, error="OSError")
    run = JobRun.objects.get()
    assert (run.runs, run.failures, run.error, run.took) == (2, 1, "OSError", 0.5)
    shown = text(olga.get("/platform/jobs/"))
    assert "send-mails" in shown
    assert "OSError" in shown


def test_health_names_what_is_in_trouble(cast: Cast, olga: Client) -> None:
    assert "has ended no job yet" in text(olga.get("/platform/health/"))
    job_runs.note("portal.tasks.send_mails", took=0.1, error="")
    Due.objects.filter(tenant_id=cast.acme.pk).update(at=timezone.now() - timedelta(minutes=6))
    shown = text(olga.get("/platform/health/"))
    assert re.search(r"ended its last job \d+ s ago", shown)
    assert "pieces are late" in shown


def test_events_are_searched(cast: Cast, olga: Client) -> None:
    olga.post("/platform/settings/", {"tenants_by": "everybody", "sign_up": "open", "sign_up_domains": ""})
    assert "changed the settings of the portal" in text(olga.get("/platform/events/?q=platform."))
    assert "Nothing is like that" in text(olga.get("/platform/events/?q=nobody"))


def test_as_many_queries_for_many(cast: Cast, olga: Client) -> None:
    for page in PAGES:
        olga.get(page)
        with queries(f"page:{page}"):
            assert olga.get(page).status_code == 200
    assert Tenant.objects.count() == 2
