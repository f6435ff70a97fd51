"""Pam writes what Orders asks; Carl answers it on the page where he subscribes; Ada reads it with the request."""

import pytest
from django.test import Client

from apis.actions import request_forms
from apis.models import Api, FormQuestion, Plan, Subscription, questions_of
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_requests import signed_in, text

HERE = "/t/acme/console/apis/orders/questions/"
SUBSCRIBE = "/t/acme/apis/orders/subscribe/"
WHY = FormQuestion("why", "Why do you need it?", "In a sentence.")
WHERE = FormQuestion("where", "Where does it run?", kind="choice", options=("Here", "Elsewhere"))
PERSONAL = FormQuestion("personal", "Do you keep personal data?", kind="yes_no")
STORY = FormQuestion("story", "Tell us more.", kind="long", required=False)


@pytest.fixture
def gold(in_acme: Cast) -> Plan:
    return make.plan(make.api("orders"), name="gold")


@pytest.fixture
def pam(cast: Cast) -> Client:
    return signed_in(cast.pam)


def test_questions_are_written_and_put_in_order(in_acme: Cast, gold: Plan, pam: Client) -> None:
    assert "nothing of its own" in text(pam.get("/t/acme/console/apis/orders/"))
    assert "It asks nothing of its own" in text(pam.get(HERE))
    typed = {
        "text": "Where does it run?",
        "help": "Roughly.",
        "kind": "choice",
        "options": "Here\n\nElsewhere\n",
        "required": "on",
        "once": "a",
    }
    assert "It is asked from now on." in text(pam.post(f"{HERE}new/", typed, follow=True))
    again = pam.post(f"{HERE}new/", typed)
    assert again.status_code == 409, "a double click asks once"
    pam.post(f"{HERE}new/", {"text": "Why?", "kind": "short", "options": ""})
    assert [(each.key, each.required) for each in questions_of(Api.objects.get(slug="orders"))] == [
        ("where-does-it-run", True),
        ("why", False),
    ]
    pam.post(f"{HERE}why/move/", {"up": "1"})
    assert questions_of(Api.objects.get(slug="orders"))[0].key == "why"
    assert pam.get(f"{HERE}why/move/").status_code == 302
    edited = pam.get(f"{HERE}where-does-it-run/edit/").content.decode()
    assert "Here\nElsewhere" in edited
    assert "The question is changed." in text(
        pam.post(f"{HERE}why/edit/", {"text": "Really?", "kind": "short", "options": ""}, follow=True)
    )
    assert "Nothing was changed." in text(pam.post(f"{HERE}why/edit/", {"text": "Really?", "kind": "short", "options": ""}, follow=True))
    assert "Really?" in text(pam.get("/t/acme/console/apis/orders/"))
    assert "Remove “Really?”?" in text(pam.get(f"{HERE}why/remove/"))
    assert "The question is removed." in text(pam.post(f"{HERE}why/remove/", follow=True))
    for way in ("edit", "remove", "move"):
        assert pam.get(f"{HERE}why/{way}/").status_code == pam.post(f"{HERE}why/{way}/").status_code == 404


def test_what_was_typed_is_kept(in_acme: Cast, gold: Plan, pam: Client) -> None:
    refused = pam.post(f"{HERE}new/", {"text": "Where?", "kind": "choice", "options": "Here"})
    assert refused.status_code == 422
    assert "Give from 2 to 20 options." in text(refused)
    assert 'value="Where?"' in refused.content.decode()
    request_forms.set_form(gold.api, [FormQuestion("", "Again?")] * 10, by=in_acme.pam)
    assert "New question" not in text(pam.get(HERE))
    refused = pam.post(f"{HERE}new/", {"text": "Eleven?", "kind": "short", "options": ""})
    assert "An API asks at most 10 questions" in text(refused)


def test_who_gets_in(in_acme: Cast, gold: Plan) -> None:
    request_forms.set_form(gold.api, [WHY], by=in_acme.pam)
    for address in (HERE, f"{HERE}new/", f"{HERE}why/edit/", f"{HERE}why/remove/", f"{HERE}why/move/"):
        assert signed_in(in_acme.carl).get(address).status_code == 403
        assert signed_in(in_acme.eve).get(address).status_code == 404
        assert signed_in(in_acme.eve).post(address).status_code == 404


def test_carl_answers_and_ada_reads_it(in_acme: Cast, gold: Plan) -> None:
    request_forms.set_form(gold.api, [WHY, WHERE, PERSONAL, STORY], by=in_acme.pam)
    checkout = make.application(in_acme.carl, name="Checkout")
    carl = signed_in(in_acme.carl)
    page = carl.get(SUBSCRIBE)
    assert "Why do you need it?" in text(page)
    mark = page.context["form"]["asked"].value()
    typed = {"application": str(checkout.pk), "plan": str(gold.pk), "purpose": "To sell.", "asked": mark, "answers.why": "For <us>."}
    refused = carl.post(SUBSCRIBE, typed)
    assert refused.status_code == 422
    assert text(refused).count("Fill this in.") == 2
    assert "For &lt;us&gt;." in refused.content.decode()
    typed |= {"answers.where": "Here", "answers.personal": "no", "answers.story": ""}
    request_forms.change(gold.api, "why", FormQuestion("why", "Why now?"), by=in_acme.pam)
    refused = carl.post(SUBSCRIBE, typed)
    assert refused.status_code == 409
    assert "What Orders asks has changed. Look at the questions once more." in text(refused)
    assert "Why now?" in text(refused)
    assert "For &lt;us&gt;." in refused.content.decode()
    typed["asked"] = refused.context["form"]["asked"].value()
    assert "its request is pending" in text(carl.post(SUBSCRIBE, typed, follow=True))
    made = Subscription.objects.get()
    request_forms.set_form(gold.api, [], by=in_acme.pam)
    shown = ("Why now?", "For <us>.", "Where does it run?", "Here", "Do you keep personal data?", "No")
    for page in (
        signed_in(in_acme.ada).get(f"/t/acme/console/requests/{made.pk}/"),
        signed_in(in_acme.ada).get(f"/t/acme/console/subscriptions/{made.pk}/"),
        carl.get(f"/t/acme/apps/{checkout.pk}/?tab=subscriptions"),
    ):
        for said in shown:
            assert said.replace("<", "&lt;").replace(">", "&gt;") in page.content.decode(), said


def test_a_choice_that_is_none(in_acme: Cast, gold: Plan) -> None:
    request_forms.set_form(gold.api, [WHERE, PERSONAL], by=in_acme.pam)
    checkout, carl = make.application(in_acme.carl), signed_in(in_acme.carl)
    typed = {"application": str(checkout.pk), "plan": str(gold.pk), "purpose": "x", "answers.where": "Nowhere", "answers.personal": "maybe"}
    refused = carl.post(SUBSCRIBE, typed)
    assert (refused.status_code, text(refused).count("Choose one of these.")) == (422, 2)
    assert not Subscription.objects.exists()


def test_as_many_queries_for_many(in_acme: Cast, gold: Plan, pam: Client) -> None:
    pam.get(HERE)
    for asked in ([WHY], [WHY, WHERE, PERSONAL, STORY]):
        request_forms.set_form(gold.api, asked, by=in_acme.pam)
        with queries("page:console-api-questions"):
            pam.get(HERE)
