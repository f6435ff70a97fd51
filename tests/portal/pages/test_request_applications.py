"""Ada decides about Carl's new application."""

import pytest
from django.test import Client

from keys.models import Application
from tenants.models import TenantSettings
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_requests import signed_in, text

HERE = "/t/acme/console/request-applications/"


@pytest.fixture
def waiting(in_acme: Cast) -> Application:
    TenantSettings.objects.update(applications_need_approval=True)
    return make.application(in_acme.carl, name="Checkout", purpose="Sells.")


@pytest.fixture
def ada(cast: Cast) -> Client:
    return signed_in(cast.ada)


def test_from_registering_to_approval(in_acme: Cast, ada: Client) -> None:
    assert "New applications need no approval here" in text(ada.get(HERE))
    TenantSettings.objects.update(applications_need_approval=True)
    assert "Each new one comes here" in text(ada.get(HERE))
    carl = signed_in(in_acme.carl)
    typed = {"name": "Checkout", "purpose": "Sells.", "environment": "live", "next": "/t/acme/apis/"}
    made = text(carl.post("/t/acme/apps/new/", typed, follow=True))
    assert "Checkout is registered, and waits for an approver." in made
    assert "Before it is approved it can't subscribe to an API" in made
    assert "Subscribe to APIs" not in made
    found = Application.objects.get()
    assert "Pending" in text(carl.get("/t/acme/apps/"))
    queue = ada.get("/t/acme/console/requests/")
    assert "New applications 1" in text(queue)
    assert "Sells." in text(ada.get(HERE))
    assert "Checkout of Carl may ask for subscriptions" in text(ada.get(f"{HERE}{found.pk}/approve/"))
    done = text(ada.post(f"{HERE}{found.pk}/approve/", {"once": "a"}, follow=True))
    assert "Checkout is approved." in done
    assert "No application waits" in done
    assert ada.post(f"{HERE}{found.pk}/approve/", {"once": "b"}).status_code == 409
    assert "Ada approved the application Checkout" in text(carl.get(f"/t/acme/apps/{found.pk}/?tab=activity"))
    assert "Subscribe to APIs" in text(carl.get(f"/t/acme/apps/{found.pk}/"))


def test_a_rejection_says_why(in_acme: Cast, waiting: Application, ada: Client) -> None:
    refused = ada.post(f"{HERE}{waiting.pk}/reject/", {"reason": "x" * 501})
    assert refused.status_code == 422
    assert "x" * 501 in refused.content.decode()
    ada.post(f"{HERE}{waiting.pk}/reject/", {"reason": "What is it for?"})
    page = text(signed_in(in_acme.carl).get(f"/t/acme/apps/{waiting.pk}/"))
    assert "Ada rejected it, so it gets nothing." in page
    assert "What is it for?" in page
    assert "Rejected" in text(ada.get("/t/acme/console/applications/?status=rejected"))


def test_who_gets_in(in_acme: Cast, waiting: Application, ada: Client) -> None:
    own = make.application(in_acme.ada, name="Mine")
    assert f"{own.pk}/approve/" not in ada.get(HERE).content.decode()
    refused = ada.post(f"{HERE}{own.pk}/approve/")
    assert (refused.status_code, "an application of your own" in text(refused)) == (409, True)
    for way in ("", f"{waiting.pk}/approve/", f"{waiting.pk}/reject/"):
        assert signed_in(in_acme.carl).get(f"{HERE}{way}").status_code == 403
        assert signed_in(in_acme.eve).get(f"{HERE}{way}").status_code == 404
    for way in ("approve", "reject"):
        theirs = f"{HERE}{waiting.pk}/{way}/".replace("acme", "globex")
        assert signed_in(in_acme.eve).post(theirs, {"reason": "x"}).status_code == 404
    assert Application.objects.get(pk=waiting.pk).status == "pending"


def test_as_many_queries_for_many(in_acme: Cast, waiting: Application, ada: Client) -> None:
    ada.get(HERE)
    for more in (3, 0):
        with queries("page:console-request-applications"):
            ada.get(HERE)
        for _ in range(more):
            make.application(in_acme.carl, team=make.team(in_acme.carl))
