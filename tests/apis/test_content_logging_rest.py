"""Over REST: what an AI API keeps, who agrees, and what is read."""

import json
from typing import Any
from uuid import uuid4

import pytest

from apis.actions import content_logging, subscriptions
from apis.models import Api, Plan, Subscription
from gateway.models import LoggedContent
from tenants.models import Event
from tests import make
from tests.conftest import Cast, Rest, queries

GIVEN: dict[str, Any] = {"enabled": True, "days": 7, "consent": "To learn."}
ASKED = '{"messages": [{"role": "user", "content": "Where is it?"}]}'


def at(cast: Cast, rest: str = "") -> str:
    return f"/api/v1/tenants/{cast.acme.slug}/{rest}"


@pytest.fixture
def models(in_acme: Cast) -> Api:
    make.provider(by=in_acme.pam)
    return make.ai_api("models", by=in_acme.pam)


@pytest.fixture
def subscription(models: Api, cast: Cast) -> Subscription:
    make.kept(models)
    return asks(models, cast, logging_agreed=1)


def asks(models: Api, cast: Cast, **more: Any) -> Subscription:
    application = make.application(cast.carl, name="Checkout")
    plan = Plan.objects.get(api=models)
    return subscriptions.request(application, api=models, plan=plan, purpose="A test.", by=cast.carl, **more)[0]


def kinds() -> list[str]:
    rows = Event.objects.filter(kind__startswith="content_logging.").order_by("number")
    return [each.kind.partition(".")[2] for each in rows]


def test_it_is_put_read_and_put_again(models: Api, cast: Cast, rest: Rest) -> None:
    pam, carl, one = rest(cast.pam), rest(cast.carl), at(cast, "apis/models/content-logging/")
    assert pam.get(one).status_code == carl.get(one).status_code == 404
    with queries("content-logging:put"):
        put = pam.put(one, GIVEN)
    assert (put.status_code, put.json()["receipt"]) == (200, f"/api/v1/tenants/acme/receipts/{Event.objects.latest('number').number}/")
    wanted = {"enabled": True, "requests": True, "answers": True, "days": 7, "consent": "To learn.", "version": 1}
    with queries("content-logging:get"):
        assert pam.get(one).json() == {**wanted, "agreed": 0, "subscriptions": 0}
    assert carl.get(one).json() == {**wanted, "agreed": None, "subscriptions": None}, "before he asks for a subscription"
    assert "event" not in pam.put(one, GIVEN).json()
    assert pam.put(one, {**GIVEN, "consent": "To learn more."}).json()["version"] == 2
    assert pam.put(one, {**GIVEN, "enabled": False}).json()["version"] == 3
    assert carl.get(one).status_code == 404, "it is off"
    assert pam.get(one).json()["enabled"] is False
    assert kinds() == ["switched_on", "changed", "switched_off"]
    stale = pam.put(one, GIVEN, headers={"If-Match": '"old"'})
    assert stale.status_code == 412


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": -1}, "days"),
        ({"days": 366}, "days"),
        ({"days": 10**30}, "days"),
        ({"days": "soon"}, "days"),
        ({"days": None}, "days"),
        ({"consent": ""}, "consent"),
        ({"consent": "x" * 2_001}, "consent"),
        ({"consent": "a\x00b"}, "consent"),
        ({"consent": 7.5}, None),
        ({"requests": False, "answers": False}, "requests"),
        ({"enabled": None}, "enabled"),
        ({"seen": "x"}, "seen"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_named(models: Api, cast: Cast, rest: Rest, wrong: dict[str, Any], field: str | None) -> None:
    answer = rest(cast.pam).put(at(cast, "apis/models/content-logging/"), {**GIVEN, **wrong})
    if field is None:
        assert answer.status_code == 200, "a number is a text, too"
        return
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert content_logging.of(models) is None


def test_an_api_of_no_models_keeps_nothing(in_acme: Cast, rest: Rest) -> None:
    make.api("orders")
    pam = rest(in_acme.pam)
    refused = pam.put(at(in_acme, "apis/orders/content-logging/"), GIVEN)
    assert (refused.status_code, "answers with no models" in refused.json()["detail"]) == (409, True)
    for path in ("content-logging/", "contents/", f"contents/{uuid4()}/"):
        assert pam.get(at(in_acme, f"apis/orders/{path}")).status_code == 404
    assert pam.delete(at(in_acme, "apis/orders/contents/")).status_code == 404


def test_who_asks_for_a_subscription_has_to_agree(models: Api, cast: Cast, rest: Rest) -> None:
    make.kept(models)
    application = make.application(cast.carl)
    wish = {"application": str(application.pk), "api": "models", "plan": "free", "purpose": "A test."}
    carl, one = rest(cast.carl), at(cast, "subscriptions/")
    for more, said in (
        ({}, "Read its text, and agree to it."),
        ({"logging_agreed": None}, "agree to it"),
        ({"logging_agreed": 2}, "changed meanwhile"),
    ):
        refused = carl.post(one, {**wish, **more})
        assert (refused.status_code, list(refused.json()["errors"])) == (422, ["logging_agreed"])
        assert said in refused.json()["errors"]["logging_agreed"][0]
    for wrong in (0, -1, 2**31, "x", True and 1.5):
        assert carl.post(one, {**wish, "logging_agreed": wrong}).status_code == 422
    assert not Subscription.objects.exists()
    made = carl.post(one, {**wish, "logging_agreed": 1})
    assert made.status_code == 201
    assert content_logging.standing(Subscription.objects.get()).agreed


def test_of_several_at_once_each_is_agreed_to(models: Api, cast: Cast, rest: Rest) -> None:
    make.kept(models)
    make.plan(make.api("orders"), name="gold")
    application = make.application(cast.carl)
    wishes = [{"api": "orders", "plan": "gold"}, {"api": "models", "plan": "free"}]
    carl, one = rest(cast.carl), at(cast, "subscriptions/requests/")
    body = {"application": str(application.pk), "purpose": "A test.", "requests": wishes}
    refused = carl.post(one, body)
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["models.logging_agreed"])
    assert not Subscription.objects.exists()
    wishes[1]["logging_agreed"] = 1  # type: ignore[assignment]
    assert carl.post(one, body).status_code == 201


def test_carl_agrees_and_withdraws(models: Api, cast: Cast, rest: Rest) -> None:
    subscription = asks(models, cast)
    make.kept(models)
    carl, one = rest(cast.carl), at(cast, f"subscriptions/{subscription.pk}/logging-consent/")
    with queries("logging-consent:get"):
        told = carl.get(one).json()
    assert told["kept"]["consent"] == "To find out why answers are wrong."
    assert (told["kept"]["version"], told["agreed"], told["version"], told["by"], told["at"]) == (1, False, None, None, None)
    stale = carl.put(one, {"version": 2})
    assert (stale.status_code, "was changed meanwhile" in stale.json()["detail"]) == (409, True)
    for wrong in ({}, {"version": 0}, {"version": None}, {"version": "x"}, {"version": 2**31}, {"version": 1, "more": 1}):
        assert carl.put(one, wrong).status_code == 422, wrong
    agreed = carl.put(one, {"version": 1})
    assert (agreed.status_code, agreed.json()["agreed"], agreed.json()["by"]) == (200, True, "carl@acme.example")
    assert carl.put(one, {"version": 1}).status_code == 200
    ada = rest(cast.ada)
    assert ada.get(one).json()["agreed"] is True, "approvers see how it stands"
    assert ada.put(one, {"version": 1}).status_code == ada.delete(one).status_code == 404, "and do not decide it"
    assert carl.delete(one).status_code == carl.delete(one).status_code == 204
    withdrawn = carl.get(one).json()
    assert (withdrawn["agreed"], withdrawn["version"], withdrawn["withdrawn_at"] is None) == (False, 1, False)
    assert kinds() == ["switched_on", "agreed", "withdrawn"]
    make.kept(models, enabled=False)
    assert carl.get(one).json()["kept"] is None
    assert carl.put(one, {"version": 1}).status_code == 409


def test_what_is_over_is_not_agreed_to(models: Api, cast: Cast, rest: Rest) -> None:
    subscription = asks(models, cast)
    make.kept(models)
    subscriptions.cancel(subscription, by=cast.carl)
    refused = rest(cast.carl).put(at(cast, f"subscriptions/{subscription.pk}/logging-consent/"), {"version": 1})
    assert (refused.status_code, "nothing to agree to" in refused.json()["detail"]) == (409, True)


def test_pam_lists_reads_and_deletes(subscription: Subscription, cast: Cast, rest: Rest) -> None:
    first = make.content(subscription, ASKED, r"In \u00dclm", streamed=True, request_id="r-1")
    second = make.content(subscription, None, "{}", answer_cut=True)
    pam, all_of_it = rest(cast.pam), at(cast, "apis/models/contents/")
    with queries("rest-contents:list"):
        listed = pam.get(all_of_it).json()["results"]
    assert [each["id"] for each in listed] == [str(second.pk), str(first.pk)]
    assert not {"request", "answer", "us", "asked"} & set(listed[0])
    assert (listed[1]["application_name"], listed[1]["model"], listed[1]["duration_ms"], listed[1]["streamed"]) == (
        "Checkout", "openai/gpt-5", 812.5, True,
    )  # fmt: skip
    assert len(pam.get(f"{all_of_it}?application={subscription.application_id}").json()["results"]) == 2
    assert pam.get(f"{all_of_it}?application={uuid4()}").json()["results"] == []
    assert pam.get(f"{all_of_it}?application=x").status_code == 422
    assert len(pam.get(f"{all_of_it}?limit=1").json()["results"]) == 1
    assert "read" not in kinds()
    with queries("rest-contents:get"):
        told = pam.get(f"{all_of_it}{first.pk}/").json()
    assert (json.loads(told["request"])["messages"][0]["content"], told["answer"]) == ("Where is it?", "In Ülm")
    assert (pam.get(f"{all_of_it}{second.pk}/").json()["request"], kinds().count("read")) == (None, 2)
    assert Event.objects.filter(kind="content_logging.read").first().data["request_id"] in {"r-1", second.request_id}  # type: ignore[union-attr]
    assert pam.delete(all_of_it).status_code == pam.delete(all_of_it).status_code == 204
    assert (LoggedContent.objects.count(), kinds().count("erased")) == (0, 1)
    assert pam.get(f"{all_of_it}{first.pk}/").status_code == 404


def test_who_does_not_publish_reads_nothing_and_eve_finds_nothing(subscription: Subscription, cast: Cast, rest: Rest) -> None:
    row = make.content(subscription, ASKED)
    paths = ("apis/models/contents/", f"apis/models/contents/{row.pk}/")
    auditor = make.member(cast.acme, "looks@acme.example", "auditor")
    for who in (cast.carl, auditor):
        for path in paths:
            assert rest(who).get(at(cast, path)).status_code == 403
        assert rest(who).delete(at(cast, paths[0])).status_code == 403
        assert rest(who).put(at(cast, "apis/models/content-logging/"), GIVEN).status_code == 403
    for path in (*paths, "apis/models/content-logging/", f"subscriptions/{subscription.pk}/logging-consent/"):
        eve = rest(cast.eve)
        assert (
            eve.get(at(cast, path)).status_code == eve.put(at(cast, path), {}).status_code == eve.delete(at(cast, path)).status_code == 404
        )
        elsewhere = at(cast, path).replace("/acme/", "/globex/")
        assert eve.get(elsewhere).status_code == 404
    assert kinds() == ["switched_on", "agreed"]
