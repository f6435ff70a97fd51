"""When Portico switches a webhook off, everybody who manages webhooks hears of it, and nobody else."""

import pytest

from keys.actions import webhook_sending, webhooks
from keys.models import Webhook
from keys.webhooks import Trouble
from portal import tasks
from tenants.models import Notification, Role, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.portal.test_mails import cast, run, sent

__all__ = ["cast"]


@pytest.fixture
def gone(cast: Cast) -> Webhook:
    """It answered 410."""
    with tenant_scope(cast.acme.pk):
        make.webhook("http://127.0.0.1:9/hunter2", by=cast.ada, name="Billing")
        make.application(cast.carl)
    run()
    [taken] = webhook_sending.take(cast.acme.pk)
    webhook_sending.note(taken, webhook_sending.Outcome(Trouble.GONE, 5, 410))
    with tenant_scope(cast.acme.pk):
        return Webhook.objects.get()


def test_who_manages_webhooks_hears_of_it_and_nobody_else(cast: Cast, gone: Webhook) -> None:
    make.member(cast.acme, "alan@acme.example", Role.ADMIN)
    assert run() == [("ada", "The webhook Billing was switched off"), ("alan", "The webhook Billing was switched off")]
    with tenant_scope(cast.acme.pk):
        told = Notification.objects.filter(event__kind="webhook.disabled").values_list("user", flat=True)
        assert set(told) == set(User.objects.filter(email__startswith="a", email__endswith="@acme.example").values_list("pk", flat=True))
    assert run() == []


def test_the_mail_names_the_host_and_leads_to_the_webhook(cast: Cast, gone: Webhook, mailoutbox: list[object]) -> None:
    tasks.send_mails()
    [message] = mailoutbox
    body = str(message.body)  # type: ignore[attr-defined]
    assert f"/t/acme/console/webhooks/{gone.pk}/" in body
    assert "127.0.0.1:9" in body
    assert "hunter2" not in body
    assert "You get this because you manage the webhooks of Acme." in body
    sent()


@pytest.mark.parametrize("then", ["enabled", "deleted"])
def test_one_that_is_on_again_or_gone_is_no_news(cast: Cast, gone: Webhook, then: str) -> None:
    with tenant_scope(cast.acme.pk):
        if then == "enabled":
            webhooks.change(gone, enabled=True, by=cast.ada)
        else:
            webhooks.delete(gone, by=cast.ada)
    assert run() == []
