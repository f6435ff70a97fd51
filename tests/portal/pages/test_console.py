"""Ada looks after everyone's applications: she finds them, reads them, and ends a secret that has leaked."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from keys.actions.credentials import roll
from keys.models import Application, Credential
from tenants.models import Event, Role, User
from tests import make
from tests.conftest import Cast, queries

LIST = "/t/acme/console/applications/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(response: Any) -> str:
    """What is in the page itself."""
    html = response.content.decode().partition('<main id="page"')[2].partition("</main>")[0]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))).strip()


@pytest.fixture
def ada(cast: Cast) -> Client:
    return signed_in(cast.ada)


@pytest.fixture
def checkout(in_acme: Cast) -> Application:
    """Carl's, with a secret in use, one in grace, and two subscriptions."""
    made = make.application(in_acme.carl, name="Checkout")
    credential, _ = make.credential(made, label="Shop servers")
    roll(credential, grace="24h", by=in_acme.carl)
    make.subscription(of=made)
    make.subscription(of=made, status="pending")
    return made


@pytest.mark.parametrize("address", [LIST, f"{LIST}{{pk}}/"])
def test_admins_and_approvers_get_in(in_acme: Cast, checkout: Application, address: str) -> None:
    approver = make.member(in_acme.acme, "alan@acme.example", Role.APPROVER)
    for user, status in (
        (in_acme.ada, 200),
        (approver, 200),
        (in_acme.carl, 403),
        (in_acme.pam, 403),
        (in_acme.eve, 404),
        (in_acme.olga, 404),
    ):
        assert signed_in(user).get(address.format(pk=checkout.pk)).status_code == status


def test_eve_finds_it_neither_at_acme_nor_at_home(in_acme: Cast, checkout: Application) -> None:
    assert signed_in(in_acme.eve).get(f"/t/globex/console/applications/{checkout.pk}/").status_code == 404
    assert "Checkout" not in text(signed_in(in_acme.eve).get("/t/globex/console/applications/"))


def test_each_row_tells_what_is_in_use(ada: Client, checkout: Application) -> None:
    said = text(ada.get(LIST))
    for words in ("Checkout", "Carl", "Live", "1 active", "1 in grace", "1 pending", checkout.client_id, "1 in all"):
        assert words in said


@pytest.mark.parametrize(
    "q,found", [("check", True), ("CARL@acme", True), ("Carl", True), ("nothing", False), ("%", False), ("'--", False)]
)
def test_it_is_found_by_its_name_or_owner(ada: Client, checkout: Application, q: str, found: bool) -> None:
    response = ada.get(LIST, {"q": q})
    assert (checkout.client_id in response.content.decode()) == found
    assert response.status_code == 200
    if not found:
        assert "No application is like that" in text(response)


def test_it_is_found_by_its_client_id_and_narrowed_by_environment(ada: Client, checkout: Application) -> None:
    assert "Checkout" in text(ada.get(LIST, {"q": checkout.client_id}))
    assert "Checkout" in text(ada.get(LIST, {"environment": "live"}))
    narrowed = ada.get(LIST, {"environment": "test", "q": "check"})
    assert "No application is like that" in text(narrowed)
    # Searching on keeps the filter.
    assert '<input type="hidden" name="environment" value="test">' in narrowed.content.decode()


@pytest.mark.parametrize("query", [{"q": "x" * 10_000}, {"q": "\x01"}, {"environment": "nowhere"}, {"before": "x"}, {"after": "1"}])
def test_a_bad_query_is_no_error(ada: Client, checkout: Application, query: dict[str, str]) -> None:
    assert ada.get(LIST, query).status_code == 200


def test_before_there_is_any_it_says_where_they_come_from(ada: Client, in_acme: Cast) -> None:
    assert "Developers register theirs under “My applications”" in text(ada.get(LIST))


def test_the_list_makes_as_many_queries_for_many(ada: Client, checkout: Application, in_acme: Cast) -> None:
    for _ in range(4):
        make.subscription(of=make.application(in_acme.carl))
    with queries("page:console-applications"):
        ada.get(LIST)


# --- one of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tab,words",
    [
        ("", "Shop servers"),
        ("subscriptions", "A test."),
        ("refusals", "No call was refused"),
        ("activity", "Carl registered the application Checkout"),
    ],
)
def test_it_shows_what_its_owner_sees(ada: Client, checkout: Application, tab: str, words: str) -> None:
    response = ada.get(f"{LIST}{checkout.pk}/", {"tab": tab})
    assert words in text(response)
    for step in ("/roll/", "/credentials/new/", "/cancel/", "/edit/"):
        assert step not in response.content.decode()


def test_the_page_makes_as_many_queries_for_many(ada: Client, checkout: Application) -> None:
    for _ in range(4):
        make.credential(checkout)
    with queries("page:console-application"):
        ada.get(f"{LIST}{checkout.pk}/")


def revoking(checkout: Application) -> str:
    active = Credential.objects.get(application=checkout, status=Credential.Status.ACTIVE)
    return f"/t/acme/apps/{checkout.pk}/credentials/{active.pk}/revoke/"


def test_ada_ends_a_leaked_secret_after_reading_what_stops(ada: Client, in_acme: Cast, checkout: Application) -> None:
    address = revoking(checkout)
    assert address in ada.get(f"{LIST}{checkout.pk}/").content.decode()
    asked = ada.get(address, headers={"HX-Request": "true", "HX-Target": "dialog"}).content.decode()
    assert "Checkout's calls with it are refused" in unescape(asked)
    assert "<html" not in asked
    done = ada.post(address, {"reason": "It stood in a log."}, follow=True)
    assert done.redirect_chain == [(f"{LIST}{checkout.pk}/?tab=credentials", 302)] or done.request["PATH_INFO"] == f"{LIST}{checkout.pk}/"
    event = Event.objects.latest("number")
    assert (event.kind, event.actor_id, event.data["reason"]) == ("credential.revoked", in_acme.ada.pk, "It stood in a log.")


def test_an_approver_reads_but_ends_no_secret(in_acme: Cast, checkout: Application) -> None:
    approver = signed_in(make.member(in_acme.acme, "alan@acme.example", Role.APPROVER))
    assert "/revoke/" not in approver.get(f"{LIST}{checkout.pk}/").content.decode()
    assert approver.post(revoking(checkout)).status_code == 403


def test_what_is_adas_own_opens_as_hers(ada: Client, in_acme: Cast) -> None:
    own = make.application(in_acme.ada, name="Report")
    assert f'href="/t/acme/apps/{own.pk}/"' in ada.get(f"{LIST}{own.pk}/").content.decode()
