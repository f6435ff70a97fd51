"""When a destination takes nothing for a while, everybody who publishes hears of it, once, and again when it does."""

import pytest
from django.db.models import F

from apis.models import Api
from gateway import log_shipping
from gateway.models import LogShippingState
from gateway.shipping import standing
from gateway.shipping.outcomes import Outcome, Trouble
from gateway.shipping.standing import PATIENCE, Went
from portal import tasks
from tenants.models import Role
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.portal.test_mails import cast, run, sent

__all__ = ["cast"]

BAD = Went(last=Outcome(Trouble.SLOW), trouble=Outcome(Trouble.SLOW))
GOOD = Went(sent=1, last=Outcome())


@pytest.fixture
def orders(cast: Cast) -> Api:
    with tenant_scope(cast.acme.pk):
        found = make.api("orders")
        make.log_shipping(found, url="http://127.0.0.1:9/hunter2", by=cast.pam)
    run()
    return found


def went(cast: Cast, api: Api, how: Went) -> None:
    with tenant_scope(cast.acme.pk):
        row = log_shipping.of(api)
        assert row is not None
        # As if it had begun some minutes before.
        LogShippingState.objects.filter(failing_since__isnull=False).update(failing_since=F("failing_since") - PATIENCE)
    standing.store(cast.acme.pk, {row.pk: how})


def test_who_publishes_hears_of_it_and_nobody_else(cast: Cast, orders: Api, mailoutbox: list[object]) -> None:
    make.member(cast.acme, "paul@acme.example", Role.PUBLISHER)
    went(cast, orders, BAD)
    assert run() == []
    went(cast, orders, BAD)
    subject = "Orders: logs of its calls are not delivered"
    assert [each for each in run() if each[0] in {"pam", "paul", "carl", "eve"}] == [("pam", subject), ("paul", subject)]
    went(cast, orders, BAD)
    assert run() == []
    went(cast, orders, GOOD)
    subject = "Orders: logs of its calls are delivered again"
    assert {each for each in run() if each[0] in {"pam", "paul", "carl", "eve"}} == {("pam", subject), ("paul", subject)}
    sent()


def test_the_mail_names_the_host_and_leads_to_the_page(cast: Cast, orders: Api, mailoutbox: list[object]) -> None:
    went(cast, orders, BAD)
    went(cast, orders, BAD)
    tasks.send_mails()
    bodies = [str(message.body) for message in mailoutbox]  # type: ignore[attr-defined]
    assert bodies
    for body in bodies:
        assert "/t/acme/console/apis/orders/logs/" in body
        assert "127.0.0.1:9" in body
        assert "hunter2" not in body
        assert "You get this because you publish APIs at Acme." in body
    sent()
