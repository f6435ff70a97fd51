"""Pam has what an AI API is asked and answers kept, Carl agrees or not, and who reads it is written down."""

import json
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from apis.actions import adding, content_logging, subscriptions
from apis.models import Api, ContentConsent, Plan, Subscription
from gateway.models import LoggedContent
from keys.models import Application
from tenants.models import Event
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_requests import signed_in, text

HERE = "/t/acme/console/apis/models/contents/"
TEXT = "To find out why answers are wrong.\nThe team of models reads them <b>."
SENT: dict[str, Any] = {"enabled": "on", "requests": "on", "answers": "on", "days": "30", "consent": TEXT, "seen": "none", "once": "a" * 32}
ASKED = json.dumps(
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is it? <script>x</script>"}]}
)
ANSWER = json.dumps({"choices": [{"message": {"role": "assistant", "content": "In Ulm."}}]})


def raw(answer: Any) -> str:
    return unescape(str(answer.content.decode()))


def told() -> list[tuple[str, str]]:
    rows = Event.objects.filter(kind__startswith="content_logging.").order_by("number")
    return [(each.kind.partition(".")[2], each.actor_name) for each in rows]


@pytest.fixture
def models(in_acme: Cast) -> Api:
    make.provider(by=in_acme.pam)
    return make.ai_api("models", by=in_acme.pam)


@pytest.fixture
def pam(cast: Cast) -> Client:
    return signed_in(cast.pam)


@pytest.fixture
def carl(cast: Cast) -> Client:
    return signed_in(cast.carl)


@pytest.fixture
def checkout(in_acme: Cast) -> Application:
    return make.application(in_acme.carl, name="Checkout")


def plan(api: Api) -> Plan:
    return Plan.objects.get(api=api)


def asks(application: Application, api: Api, **more: Any) -> Subscription:
    return subscriptions.request(application, api=api, plan=plan(api), purpose="A test.", by=application.owner, **more)[0]


# --- switching it on -------------------------------------------------------------------------------------------------


def test_it_is_off_where_nobody_said_anything(models: Api, pam: Client) -> None:
    assert f'href="{HERE}"' in raw(pam.get("/t/acme/console/apis/models/"))
    with queries("page:api-contents"):
        page = raw(pam.get(HERE))
    assert 'name="enabled" id="id_enabled" checked' not in page
    for name in ("requests", "answers"):
        assert f'name="{name}" id="id_{name}" checked' in page
    assert 'value="30"' in page
    assert "Say what is kept, for how long and what people agree to." in page
    assert "Delete all…" not in page


def test_an_api_of_no_models_has_no_such_page(in_acme: Cast, pam: Client) -> None:
    make.api("orders")
    assert "contents/" not in raw(pam.get("/t/acme/console/apis/orders/"))
    for path in ("", "erase/", "01935c0e-7f3a-7b1e-9d57-0f6c3a1f2b44/"):
        for ask in (pam.get, pam.post):
            assert ask(f"/t/acme/console/apis/orders/contents/{path}").status_code == 404


def test_pam_switches_it_on_changes_it_and_switches_it_off(models: Api, pam: Client) -> None:
    assert pam.post(HERE, SENT)["Location"] == HERE
    row = content_logging.in_force(models)
    assert row is not None
    assert (row.days, row.requests, row.answers, row.consent, row.version) == (30, True, True, TEXT, 1)
    page = pam.get(HERE)
    for said in (
        "Prompts and answers of Models are kept, of those who agree.", f"/receipts/{Event.objects.latest('number').number}/",
        "What is asked and what models answer is kept for 30 days.", "0 of 0 subscriptions",
    ):  # fmt: skip
        assert said in raw(page), said
    assert "<b>" not in page.content.decode()
    twice = pam.post(HERE, SENT)
    assert (twice.status_code, "This was sent twice, and done once." in raw(twice)) == (409, True)
    stale = pam.post(HERE, {**SENT, "days": "7", "once": "b" * 32})
    assert (stale.status_code, "Somebody changed this meanwhile." in raw(stale), 'value="7"' in raw(stale)) == (409, True, True)
    seen = page.context["form"]["seen"].value()
    pam.post(HERE, {**SENT, "seen": seen, "once": "c" * 32})
    assert "Nothing was changed." in raw(pam.get(HERE))
    pam.post(HERE, {**SENT, "requests": "", "days": "1", "seen": seen, "once": "d" * 32})
    assert "What models answer is kept for 1 day." in raw(pam.get(HERE))
    seen = content_logging.stamp(content_logging.of(models))
    pam.post(HERE, {**SENT, "enabled": "", "requests": "", "days": "1", "seen": seen, "once": "e" * 32})
    assert content_logging.in_force(models) is None
    assert [kind for kind, _ in told()] == ["switched_on", "changed", "switched_off"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"days": "0"}, "Choose from 1 to 365 days."),
        ({"days": "-1"}, "Choose from 1 to 365 days."),
        ({"days": "366"}, "Choose from 1 to 365 days."),
        ({"days": "9" * 30}, "Choose from 1 to 365 days."),
        ({"days": "9" * 9000}, "Write a number of days, such as 30."),
        ({"days": "soon"}, "Write a number of days, such as 30."),
        ({"days": ""}, "Fill this in."),
        ({"consent": ""}, "Write what people agree to"),
        ({"consent": " \n "}, "Write what people agree to"),
        ({"consent": "x" * 2_001}, "This has 2001 characters; 2000 are the most."),
        ({"consent": "a\x00b"}, "Control characters can't be used here."),
        ({"requests": "", "answers": ""}, "Choose what is logged"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_named_and_what_was_typed_stays(models: Api, pam: Client, wrong: dict[str, str], said: str) -> None:
    answer = pam.post(HERE, {**SENT, **wrong})
    assert (answer.status_code, said in raw(answer)) == (422, True), raw(answer)
    if "consent" not in wrong:
        assert "The team of models reads them" in raw(answer)
    assert content_logging.of(models) is None


# --- agreeing --------------------------------------------------------------------------------------------------------


def test_the_catalogue_says_what_is_kept(models: Api, carl: Client) -> None:
    at = "/t/acme/apis/models/"
    assert "Prompts and answers are kept" not in raw(carl.get(at))
    make.kept(models, consent=TEXT, days=7, answers=False)
    with queries("page:catalogue-api kept"):
        page = carl.get(at)
    for said in ("Prompts and answers are kept", "What is asked is kept for 7 days.", "The team of models reads them"):
        assert said in text(page), said
    assert "<b>" not in page.content.decode()


def test_who_asks_for_a_subscription_reads_the_text_and_has_to_agree(models: Api, carl: Client, checkout: Application) -> None:
    make.kept(models, consent=TEXT)
    at = "/t/acme/apis/models/subscribe/"
    page = carl.get(at)
    assert "What is asked and what models answer is kept for 30 days." in text(page)
    assert "The team of models reads them" in text(page)
    box = re.search(r"<input[^>]*name=\"logging_agreed\"[^>]*>", page.content.decode())
    assert box is not None
    assert "checked" not in box[0]
    typed = {"application": str(checkout.pk), "plan": str(plan(models).pk), "purpose": "To sell.", "logging_version": "1"}
    refused = carl.post(at, typed)
    assert (refused.status_code, "Read the text, and agree to it" in text(refused)) == (422, True)
    assert "To sell." in raw(refused)
    assert Subscription.objects.count() == 0
    assert carl.post(at, {**typed, "logging_agreed": "on"}).status_code == 302
    (subscription,) = Subscription.objects.all()
    assert content_logging.standing(subscription).agreed
    assert told() == [("switched_on", told()[0][1]), ("agreed", "Carl")]


def test_a_page_with_another_text_is_drawn_anew_and_nothing_is_ticked(models: Api, carl: Client, checkout: Application) -> None:
    make.kept(models, consent="One.")
    typed = {"application": str(checkout.pk), "plan": str(plan(models).pk), "purpose": "To sell.", "logging_version": "1"}
    make.kept(models, consent="Another.")
    at = "/t/acme/apis/models/subscribe/"
    for version in ("1", "", "x", "9" * 20):
        old = carl.post(at, {**typed, "logging_agreed": "on", "logging_version": version})
        assert (old.status_code, "was changed meanwhile. Read its text again" in text(old)) == (422, True), version
        assert "Another." in text(old)
        form = old.context["form"]
        assert (form["logging_version"].value(), form["logging_agreed"].value()) == ("2", False)
        box = re.search(r"<input[^>]*name=\"logging_agreed\"[^>]*>", old.content.decode())
        assert box is not None
        assert "checked" not in box[0]
    assert Subscription.objects.count() == 0
    assert carl.post(at, {**typed, "logging_agreed": "on", "logging_version": "2"}).status_code == 302


def test_of_several_at_once_each_is_agreed_to(in_acme: Cast, models: Api, carl: Client, checkout: Application) -> None:
    make.kept(models, consent=TEXT)
    other = make.plan(make.api("orders"), name="gold")
    at = f"/t/acme/apps/{checkout.pk}/subscribe/plans/?api=orders&api=models"
    with queries("page:app-subscribe-plans kept"):
        page = carl.get(at)
    assert text(page).count("The team of models reads them") == 1
    names = {"orders.plan": str(other.pk), "models.plan": str(plan(models).pk)}
    typed = {**names, "purpose": "To sell.", "models.logging_version": "1"}
    refused = carl.post(at, typed)
    assert (refused.status_code, text(refused).count("Read the text, and agree to it")) == (422, 1)
    old = carl.post(at, {**typed, "models.logging_version": "7", "models.logging_agreed": "on"})
    assert (old.status_code, "was changed meanwhile" in text(old)) == (422, True)
    assert Subscription.objects.count() == 0
    assert carl.post(at, {**typed, "models.logging_agreed": "on"}).status_code == 302
    assert [content_logging.standing(each).agreed for each in Subscription.objects.order_by("api__slug")] == [True, False]


def test_whoever_has_one_already_agrees_and_withdraws_on_the_application(models: Api, carl: Client, checkout: Application) -> None:
    subscription = asks(checkout, models)
    make.kept(models, consent=TEXT)
    tab, at = f"/t/acme/apps/{checkout.pk}/?tab=subscriptions", f"/t/acme/apps/subscriptions/{subscription.pk}/logging"
    with queries("page:app:subscriptions:kept"):
        page = carl.get(tab)
    assert "Nothing of this application is kept: nobody has agreed." in text(page)
    assert f'href="{at}/agree/"' in raw(page)
    assert f"{at}/withdraw/" not in raw(page)
    assert carl.get(f"{at}/withdraw/")["Location"] == tab
    with queries("page:app-subscription-logging-agree"):
        question = carl.get(f"{at}/agree/")
    for said in ("May Models keep what Checkout asks and is answered?", "The team of models reads them", "kept for 30 days"):
        assert said in text(question), said
    assert "<b>" not in question.content.decode()
    done = carl.post(f"{at}/agree/", {"version": question.context["form"]["version"].value(), "once": "a"}, follow=True)
    assert "Models keeps what Checkout asks and is answered from now on." in text(done)
    assert "Carl agreed" in text(done)
    assert carl.get(f"{at}/agree/")["Location"] == tab
    dialog = carl.get(f"{at}/withdraw/", headers={"HX-Request": "true", "HX-Target": "dialog"})
    assert "What was kept before is deleted 30 days after its call." in text(dialog)
    carl.post(f"{at}/withdraw/", {"once": "b"})
    assert "the consent was withdrawn" in text(carl.get(tab))
    assert [kind for kind, _ in told()] == ["switched_on", "agreed", "withdrawn"]
    carl.post(f"{at}/withdraw/", {"once": "c"})
    assert "Nothing was changed." in text(carl.get(tab))


def test_an_old_question_is_asked_again_with_the_text_that_there_is_now(models: Api, carl: Client, checkout: Application) -> None:
    subscription = asks(checkout, models)
    make.kept(models, consent="One.")
    make.kept(models, consent="Another.")
    at = f"/t/acme/apps/subscriptions/{subscription.pk}/logging/agree/"
    for version in ("1", "", "0", "-1"):
        old = carl.post(at, {"version": version})
        assert (old.status_code, "was changed meanwhile" in text(old), "Another." in text(old)) == (409, True, True), version
        assert old.context["form"]["version"].value() == "2"
    assert not ContentConsent.objects.exists()
    make.kept(models, consent="Another.", enabled=False)
    off = carl.post(at, {"version": "2"})
    assert (off.status_code, "Models keeps nothing of what is asked and answered." in text(off)) == (409, True)
    assert carl.get(at).status_code == 302


def test_another_text_asks_anew_and_approvers_see_how_it_stands(in_acme: Cast, models: Api, carl: Client, checkout: Application) -> None:
    make.kept(models)
    subscription = asks(checkout, models, logging_agreed=1)
    ada, at = signed_in(in_acme.ada), f"/t/acme/console/subscriptions/{subscription.pk}/"
    assert "Carl agreed" in text(ada.get(at))
    assert "agreed that prompts and answers are kept" in text(ada.get(at))
    make.kept(models, consent="Another.")
    assert "what was agreed to has changed since" in text(ada.get(at))
    assert "Read and agree…" not in text(ada.get(at)), "its own people alone decide that"
    assert "what was agreed to has changed since" in text(carl.get(f"/t/acme/apps/{checkout.pk}/?tab=subscriptions"))


def test_what_an_approver_adds_is_not_agreed_to(in_acme: Cast, models: Api, carl: Client, checkout: Application) -> None:
    make.kept(models)
    adding.add(checkout, api=models, plan=plan(models), reason="As you said.", by=in_acme.ada)
    assert "nobody has agreed" in text(carl.get(f"/t/acme/apps/{checkout.pk}/?tab=subscriptions"))


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def subscription(models: Api, checkout: Application) -> Subscription:
    make.kept(models)
    return asks(checkout, models, logging_agreed=1)


def opened() -> list[dict[str, Any]]:
    return list(Event.objects.filter(kind="content_logging.read").order_by("number").values_list("data", flat=True))


def test_pam_sees_what_there_is_and_opens_one(in_acme: Cast, subscription: Subscription, pam: Client) -> None:
    row = make.content(subscription, ASKED, ANSWER, request_id="r-1")
    with queries("page:api-contents:some"):
        listed = pam.get(HERE)
    for said in ("Checkout", "openai/gpt-5", "812 ms", "1 of 1 subscription", "Delete all…", f"{HERE}{row.pk}/"):
        assert said in raw(listed), said
    assert "In Ulm." not in raw(listed)
    with queries("page:api-content"):
        closed = pam.get(f"{HERE}{row.pk}/")
    assert "In Ulm." not in raw(closed)
    assert "with your name" in text(closed)
    pam.head(f"{HERE}{row.pk}/")
    assert opened() == [], "looking is not reading"
    with queries("page:api-content:open"):
        page = pam.post(f"{HERE}{row.pk}/")
    for said in ("System", "Be brief.", "User", "Where is it?", "Model", "In Ulm.", "As it was sent"):
        assert said in text(page), said
    assert "<script>x" not in page.content.decode()
    assert page["Cache-Control"] == "private, no-store"
    assert opened() == [{"request_id": "r-1", "application": "Checkout"}]
    auditor = signed_in(in_acme.ada)
    assert "Pam read what Checkout asked Models and was answered" in text(auditor.get("/t/acme/console/audit/"))


def test_what_was_not_kept_cut_or_no_json_says_so(subscription: Subscription, pam: Client) -> None:
    half = make.content(subscription, None, ANSWER)
    assert "Not kept." in text(pam.post(f"{HERE}{half.pk}/"))
    cut = make.content(subscription, ASKED[:60], r"In \u00dclm\n", request_cut=True, streamed=True)
    page = pam.post(f"{HERE}{cut.pk}/")
    assert "There was more; the first 64 KiB are kept." in text(page)
    assert "Be brief." in text(page)
    assert "In Ülm" in text(page)
    assert "piece by piece" in text(page)
    broken = make.content(subscription, "no <i>JSON</i>", '{"data": [{"embedding": [0.1]}]}')
    page = pam.post(f"{HERE}{broken.pk}/")
    assert "no <i>JSON</i>" in raw(page)
    assert "<i>JSON" not in page.content.decode()
    assert '"embedding": [' in raw(page)


def test_one_applications_are_shown_alone_and_there_are_pages(in_acme: Cast, models: Api, subscription: Subscription, pam: Client) -> None:
    other = asks(make.application(in_acme.carl, name="Other"), models, logging_agreed=1)
    last = make.content(other)
    for _ in range(26):
        make.content(subscription)
    first = pam.get(HERE)
    assert [each.application.name for each, _ in first.context["rows"]] == ["Checkout"] * 25
    assert [each.application.name for each, _ in pam.get(HERE + first.context["page"].older).context["rows"]] == ["Checkout", "Other"]
    alone = pam.get(f"{HERE}?application={other.application_id}")
    assert [each.pk for each, _ in alone.context["rows"]] == [last.pk]
    for unknown in ("x", "01935c0e-7f3a-7b1e-9d57-0f6c3a1f2b44"):
        assert len(pam.get(f"{HERE}?application={unknown}").context["rows"]) == 25
    LoggedContent.objects.filter(pk=last.pk).delete()
    assert "Nothing is kept of this application" in text(pam.get(f"{HERE}?application={other.application_id}"))


def test_all_of_it_is_deleted_with_the_key(models: Api, subscription: Subscription, pam: Client) -> None:
    assert pam.get(f"{HERE}erase/")["Location"] == HERE, "there is nothing yet"
    row = make.content(subscription, ASKED, ANSWER)
    before = content_logging.of(models)
    assert "Delete all prompts and answers of Models?" in text(pam.get(f"{HERE}erase/"))
    done = pam.post(f"{HERE}erase/", {"once": "a"}, follow=True)
    assert "All prompts and answers of Models are deleted." in text(done)
    assert not LoggedContent.objects.exists()
    after = content_logging.of(models)
    assert before is not None
    assert after is not None
    assert before.sealed != after.sealed
    assert told()[-1] == ("erased", "Pam")
    assert pam.get(f"{HERE}{row.pk}/").status_code == pam.post(f"{HERE}{row.pk}/").status_code == 404
    assert "There was nothing to delete." in text(pam.post(f"{HERE}erase/", {"once": "b"}, follow=True))


def test_who_does_not_publish_reads_nothing(cast: Cast, subscription: Subscription, carl: Client) -> None:
    row = make.content(subscription, ASKED, ANSWER)
    approver = signed_in(make.member(cast.acme, "only@acme.example", "approver"))
    auditor = signed_in(make.member(cast.acme, "looks@acme.example", "auditor"))
    for client in (carl, approver, auditor):
        for path in ("", "erase/", f"{row.pk}/"):
            assert client.get(HERE + path).status_code == client.post(HERE + path).status_code == 403
    assert opened() == []


def test_nobody_agrees_or_withdraws_for_others(in_acme: Cast, models: Api, subscription: Subscription) -> None:
    dora = make.member(in_acme.acme, "dora@acme.example", "developer")
    for who in (dora, in_acme.ada):
        for step in ("agree", "withdraw"):
            for ask in (signed_in(who).get, signed_in(who).post):
                assert ask(f"/t/acme/apps/subscriptions/{subscription.pk}/logging/{step}/", {"version": "1"}).status_code == 404
    assert content_logging.standing(subscription).agreed


def test_eve_finds_nothing(in_acme: Cast, subscription: Subscription) -> None:
    row = make.content(subscription, ASKED, ANSWER)
    eve = signed_in(in_acme.eve)
    for path in (HERE, f"{HERE}erase/", f"{HERE}{row.pk}/", f"/t/acme/apps/subscriptions/{subscription.pk}/logging/agree/"):
        for ask in (eve.get, eve.post):
            assert ask(path).status_code == 404, path
            assert ask(path.replace("/t/acme/", "/t/globex/")).status_code == 404, path
