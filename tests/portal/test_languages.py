"""Who reads what in which language: people in theirs, programs in English, and what is written down in English, too.

German stands here for any language: each of its texts is the English one in «guillemets», so that nothing hangs on a translation.
"""

from typing import Any

import pytest
from django.db import OperationalError
from django.http import HttpRequest
from django.test import Client
from django.utils import translation
from django.utils.translation import trans_real

from apis.actions import subscriptions
from apis.models import Subscription
from portal.words import added, subject_of
from tenants import sessions
from tenants.models import Event, User
from tests import make
from tests.conftest import Cast, base

GERMAN = {"Accept-Language": "de-AT,de;q=0.9"}


class Marked(trans_real.DjangoTranslation):
    def gettext(self, message: str) -> str:
        return f"«{message}»"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"«{msgid1 if n == 1 else msgid2}»"


@pytest.fixture(autouse=True)
def _marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trans_real._translations, "de", Marked("de"))  # type: ignore[attr-defined]


def signed_in(user: User, *, language: str = "") -> Client:
    User.objects.filter(pk=user.pk).update(language=language)
    client = Client()
    client.force_login(User.objects.get(pk=user.pk))
    return client


@pytest.fixture
def suspended(in_acme: Cast) -> Subscription:
    return make.subscription(status="suspended", to=make.plan(make.api("orders")))


def test_a_refused_action_is_told_in_the_readers_language(in_acme: Cast, suspended: Subscription) -> None:
    ada = signed_in(in_acme.ada, language="de")
    answer = ada.post(f"/t/acme/console/requests/{suspended.pk}/approve/")
    assert answer.status_code == 409
    assert "«This subscription is «suspended», so there is nothing to approve.»" in answer.content.decode()


def test_a_step_that_is_not_there_is_told_with_its_words_in_the_readers_language(in_acme: Cast, suspended: Subscription) -> None:
    ada = signed_in(in_acme.ada, language="de")
    answer = ada.post(f"/t/acme/console/requests/{suspended.pk}/reject/", {"reason": "No."})
    assert "««this subscription» is «suspended», so it can&#x27;t become «rejected».»" in answer.content.decode()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("get", "", None, 200),
        ("get", "nowhere/", None, 404),
        ("post", "applications/", {}, 422),
        ("post", "applications/", {"name": "x" * 81, "purpose": "p", "environment": "moon"}, 422),
        ("post", "subscriptions/<suspended>/approve/", {}, 409),
        ("post", "subscriptions/<suspended>/reject/", {"reason": "No."}, 409),
        ("put", "applications/", {}, 405),
        ("post", "apis/", {}, 422),
    ],
)
def test_programs_are_answered_in_english_whatever_they_ask_for(
    in_acme: Cast, suspended: Subscription, method: str, path: str, body: Any, status: int
) -> None:
    """Also a person's own program, whose profile is German."""
    User.objects.update(language="de")
    token = sessions.start(in_acme.ada).access
    address = f"{base(in_acme.acme)}/{path.replace('<suspended>', str(suspended.pk))}"
    answer = getattr(Client(headers=GERMAN), method)(address, body, "application/json", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status
    assert answer["Content-Language"] == "en"
    assert "«" not in answer.content.decode()


def test_tokens_are_refused_in_english(cast: Cast) -> None:
    answer = Client(headers=GERMAN).post("/t/acme/oauth/token", {"grant_type": "password"})
    assert (answer.status_code, answer["Content-Language"]) == (400, "en")
    assert "«" not in answer.content.decode()


def test_a_program_that_is_nobodys_is_refused_in_english(cast: Cast) -> None:
    answer = Client(headers=GERMAN).get("/api/v1/tenants/")
    assert answer.status_code == 401
    assert "«" not in answer.content.decode()


def test_who_wants_no_page_gets_an_english_problem(in_acme: Cast, suspended: Subscription) -> None:
    ada = signed_in(in_acme.ada, language="de")
    answer = ada.get("/t/acme/nowhere/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer["Content-Type"], answer["Content-Language"]) == (404, "application/problem+json", "en")
    assert "«" not in answer.content.decode()


def test_a_script_of_a_page_gets_a_problem_in_the_words_of_its_reader(in_acme: Cast) -> None:
    ada = signed_in(in_acme.ada, language="de")
    for address in ("/t/acme/nowhere/", "/t/globex/"):
        answer = ada.get(address, headers={"Accept": "application/json, text/html;q=0.1"})
        assert (answer.status_code, answer["Content-Type"], answer["Content-Language"]) == (404, "application/problem+json", "de")
        assert "«" in answer.json()["detail"]
    for accept in ("text/html,application/xhtml+xml,*/*;q=0.8", "*/*"):
        assert ada.get("/t/acme/nowhere/", headers={"Accept": accept})["Content-Type"].startswith("text/html")


def test_what_is_written_down_is_english_whoever_did_it(in_acme: Cast) -> None:
    """Else one event would read in as many languages as there are people."""
    plan = make.plan(make.api("orders"), approval="automatic", name="open")
    with translation.override("de"):
        checkout = make.application(name="Checkout")
        _, event = subscriptions.request(checkout, api=plan.api, plan=plan, purpose="Sell.", by=in_acme.carl)
        assert (event.kind, event.data["was"]) == ("subscription.approved", "pending")
        assert added(event.data) == "«The plan open approves by itself.»"
        assert subject_of(event) == f"«Checkout to {plan.api}»"
    assert "«" not in "".join(f"{each.kind} {each.subject_name} {each.data}" for each in Event.objects.all())


@pytest.mark.parametrize(("chosen", "spoken"), [("", "de"), ("en", "en"), ("de", "de"), ("tlh", "de"), ("<b>", "de")])
def test_a_profile_goes_before_the_browser_if_portico_speaks_its_language(cast: Cast, chosen: str, spoken: str) -> None:
    answer = signed_in(cast.carl, language=chosen).get("/profile/", headers=GERMAN)
    page = answer.content.decode()
    assert (answer.status_code, answer["Content-Language"]) == (200, spoken)
    assert f'<html lang="{spoken}"' in page
    assert ("«" in page) == (spoken == "de")


def test_a_page_says_that_it_hangs_on_the_readers_language(db: None) -> None:
    answer = Client().get("/accounts/login/", headers=GERMAN)
    assert (answer["Content-Language"], "Accept-Language" in answer["Vary"]) == ("de", True)
    assert Client().get("/accounts/login/", headers={"Accept-Language": "tlh"})["Content-Language"] == "en"
    assert "Accept-Language" not in Client().get("/api/v1/tenants/", headers=GERMAN).get("Vary", "")


def test_without_the_database_the_browser_is_believed(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(raise_request_exception=False, headers=GERMAN)
    client.force_login(cast.carl)
    monkeypatch.setattr("portal.provided.get_user", _away)
    answer = client.get("/profile/")
    assert answer.status_code == 503
    assert "«Back in a moment»" in answer.content.decode()


def _away(request: HttpRequest) -> None:
    raise OperationalError("away")
