"""Carl makes an alert about his application, mutes it, and deletes it; of others' he sees none."""

import pytest
from django.test import Client

from gateway.models import UsageAlert
from gateway.usage_alerts import create
from keys.models import Application
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in, text

LIST = "/t/acme/usage-alerts/"


@pytest.fixture
def checkout(in_acme: Cast) -> Application:
    return make.application(in_acme.carl, name="Checkout")


@pytest.fixture
def carl(in_acme: Cast) -> Client:
    return signed_in(in_acme.carl)


def typed(**more: object) -> dict[str, object]:
    numbers = {"threshold": 5, "minutes": 5, "fewest_calls": 20, "cooldown_minutes": 30}
    return {"name": "Checkout fails", "kind": "error_rate", **numbers, **more}


def alert(checkout: Application, **more: object) -> UsageAlert:
    told = {"name": "Checkout fails", "kind": "p95", "threshold": 500, "minutes": 5, **more}
    return create(application=checkout, by=checkout.owner, **told)  # type: ignore[arg-type]


def test_from_the_first_to_the_last(carl: Client, checkout: Application) -> None:
    assert "No alert yet" in text(carl.get(LIST))
    done = carl.post(f"{LIST}new/", typed(application=str(checkout.pk)), follow=True)
    assert "is looked at each minute from now on" in done.content.decode()
    made = UsageAlert.objects.get()
    said = text(carl.get(LIST))
    assert "Checkout fails 5 % of calls fail within 5 min, of at least 20 Checkout Quiet" in said
    carl.post(f"{LIST}{made.pk}/edit/", typed(threshold=7))
    made.refresh_from_db()
    assert (made.threshold, made.application) == (7, checkout)
    for muted in (True, False):
        carl.post(f"{LIST}{made.pk}/mute/", {})
        made.refresh_from_db()
        assert made.muted is muted
    carl.post(f"{LIST}{made.pk}/delete/", {})
    assert not UsageAlert.objects.exists()


def test_what_was_typed_is_kept_with_what_is_wrong(carl: Client, in_acme: Cast, checkout: Application) -> None:
    for more, says in (
        ({"threshold": "many", "application": str(checkout.pk)}, "Give a whole number."),
        ({"minutes": 0, "application": str(checkout.pk)}, "Give a number from 1 to 1,440."),
        ({"threshold": 101, "application": str(checkout.pk)}, "Give a number from 1 to 100."),
        ({}, "Choose an application of yours"),
        ({"application": str(make.application(in_acme.ada).pk)}, "Choose one of these."),
    ):
        response = carl.post(f"{LIST}new/", typed(**more))
        assert response.status_code == 422
        assert says in text(response), more
        assert 'value="Checkout fails"' in response.content.decode()
    assert not UsageAlert.objects.exists()


def test_sent_twice_it_is_made_once(carl: Client, checkout: Application) -> None:
    body = typed(application=str(checkout.pk), once="one")
    assert [carl.post(f"{LIST}new/", body).status_code for _ in range(2)] == [302, 409]
    assert UsageAlert.objects.count() == 1


def test_others_see_none_of_it(in_acme: Cast, checkout: Application) -> None:
    made = alert(checkout)
    for user in (in_acme.pam, in_acme.eve):
        client = signed_in(user)
        for page in ("edit", "mute", "delete"):
            assert client.get(f"{LIST}{made.pk}/{page}/").status_code == 404
            assert client.post(f"{LIST}{made.pk}/{page}/", typed()).status_code == 404
    assert "Checkout fails" not in text(signed_in(in_acme.pam).get(LIST))
    assert "Checkout fails" in text(signed_in(in_acme.ada).get(LIST))
    assert UsageAlert.objects.filter(pk=made.pk).exists()


def test_as_many_queries_for_many(carl: Client, checkout: Application) -> None:
    for number in range(4):
        alert(checkout, name=f"Alert {number}")
    with queries("page:usage-alerts"):
        carl.get(LIST)
