"""Pam hears of a certificate of a live upstream 30, 7 and 1 days before it ends, once each."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from apis.actions import publishing
from apis.actions.certificate_ends import WARN_JOB
from apis.models import ApiVersion, Revision, Upstream
from apis.tasks import warn_certificates
from portal.tasks import send_mails
from tenants import due
from tenants.models import Due, Event, Notification
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.pki import DAY, NOW, Authority

ROOT = Authority("Root")
A_WHILE = DAY / 2


def serve(cast: Cast, days: float, **more: Any) -> Upstream:
    """A live revision whose client certificate ends in a little less than so many days."""
    own = ROOT.issue("Gateways", until=NOW + days * DAY - A_WHILE)
    with tenant_scope(cast.acme.pk):
        version = ApiVersion.objects.get()
        target = make.target("https://127.0.0.1:9", client_certificate=own.certificate, client_key=own.key, **more)
        made = publishing.add_revision(version, document=make.document(), target=target, by=cast.pam)
        publishing.make_live(made, by=cast.pam)
        assert made.upstream is not None
        return made.upstream


@pytest.fixture(autouse=True)
def orders(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")


def look_again() -> None:
    """The job runs although nothing is due."""
    Due.objects.filter(job=WARN_JOB).update(at=Now() - timedelta(hours=1))
    warn_certificates()


def warned(cast: Cast) -> list[tuple[str, int, bool]]:
    with tenant_scope(cast.acme.pk):
        rows = Event.objects.filter(kind="certificate.ends_soon").order_by("number")
        return [(each.data["certificate"], each.data["days"], each.data["client"]) for each in rows]


def forget(cast: Cast, **warned: int) -> None:
    """As if it had been further from its end when it went live."""
    with tenant_scope(cast.acme.pk):
        for each in Upstream.objects.exclude(warned={}):
            each.warned = dict.fromkeys(each.warned, warned["days"]) if warned else {}
            each.save(update_fields=["warned"])


def test_each_warning_comes_once(cast: Cast) -> None:
    serve(cast, 7)
    forget(cast)
    for _ in range(2):
        look_again()
        assert warned(cast) == [("Gateways", 7, True)]
    forget(cast, days=30)
    look_again()
    assert warned(cast) == [("Gateways", 7, True)] * 2


def test_it_is_due_when_the_first_warning_is(cast: Cast) -> None:
    upstream = serve(cast, 90)
    ends = upstream.connects.client_certificates[0].until
    at = Due.objects.get(tenant_id=cast.acme.pk, job=WARN_JOB).at
    assert at == ends - timedelta(days=30)
    look_again()
    assert Due.objects.get(tenant_id=cast.acme.pk, job=WARN_JOB).at == at
    assert warned(cast) == []


def test_what_was_near_when_it_went_live_is_not_told(cast: Cast) -> None:
    upstream = serve(cast, 5)
    look_again()
    assert warned(cast) == []
    assert set(upstream.warned.values()) == {7}
    ends = upstream.connects.client_certificates[0].until
    assert Due.objects.get(tenant_id=cast.acme.pk, job=WARN_JOB).at == ends - timedelta(days=1)


def test_authorities_are_told_too_and_each_by_its_own_end(cast: Cast) -> None:
    serve(cast, 90, ca=ROOT.issue("Root", key=ROOT.key, until=NOW + 3 * DAY - A_WHILE).certificate)
    forget(cast)
    look_again()
    assert warned(cast) == [("Root", 3, False)]


@pytest.mark.parametrize("gone", ["replaced", "ended"])
def test_of_what_is_not_served_or_has_ended_nobody_hears(cast: Cast, gone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = serve(cast, 2)
    forget(cast)
    if gone == "replaced":
        with tenant_scope(cast.acme.pk):
            publishing.make_live(Revision.objects.get(number=1), by=cast.pam)
    else:
        later = upstream.connects.client_certificates[0].until + timedelta(hours=1)
        monkeypatch.setattr("apis.actions.certificate_ends.events.now", lambda: later)
    look_again()
    assert warned(cast) == []
    assert not Due.objects.filter(tenant_id=cast.acme.pk, job=WARN_JOB).exists()


def test_pam_reads_it_in_her_inbox_and_carl_does_not(cast: Cast, client: Client) -> None:
    serve(cast, 7)
    forget(cast)
    look_again()
    Due.objects.filter(job=due.MAIL_JOB).update(at=Now() - timedelta(hours=1))
    send_mails()
    with tenant_scope(cast.acme.pk):
        rows = Notification.objects.filter(in_inbox=True, event__kind="certificate.ends_soon").select_related("user")
        told = {each.user.email for each in rows}
    assert cast.pam.email in told
    assert cast.carl.email not in told
    client.force_login(cast.pam)
    assert "Orders v1: a certificate of its upstream ends soon" in client.get("/t/acme/inbox/").content.decode()
    with tenant_scope(cast.globex.pk):
        assert not Notification.objects.exists()
