"""Ada makes a rule, sees what it would have done, and switches it on."""

import re

import pytest
from django.test import Client

from apis.actions import approval_rules, subscriptions
from apis.models import ApprovalRule, Subscription
from tenants.models import Event
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_requests import asked, signed_in, text

__all__ = ["asked"]
HERE = "/t/acme/console/request-rules/"


@pytest.fixture
def ada(cast: Cast) -> Client:
    return signed_in(cast.ada)


@pytest.fixture
def tests_rule(in_acme: Cast) -> ApprovalRule:
    return approval_rules.create(name="Tests", outcome="automatic", environment="test", by=in_acme.ada)[0]


def test_from_nothing_to_a_rule_that_decides(in_acme: Cast, asked: Subscription, ada: Client) -> None:
    begin = ada.get(HERE)
    assert "No rule yet" in text(begin)
    # The search stands on each page.
    assert b"data-search" in begin.content
    typed = {"name": "Tests", "outcome": "automatic", "environment": "test", "most_per_minute": "100", "tags": "", "once": "a"}
    made = ada.post(f"{HERE}new/", typed, follow=True)
    said = text(made)
    assert "The rule “Tests” is made, and off." in said
    assert "Approve by itself: test applications, at most 100 calls a minute" in said
    found = ApprovalRule.objects.get()
    subscriptions.reject(asked, reason="Tell us more.", by=in_acme.ada)
    asking = text(ada.get(f"{HERE}{found.pk}/switch/"))
    assert "Of 1 requests of the last 90 days it fits 1: it would have approved these at once." in asking
    assert "People rejected 1 of them." in asking
    assert "Tell us more." in text(ada.get(f"{HERE}{found.pk}/"))
    assert "What it would have done" in text(ada.get(f"{HERE}{found.pk}/"))
    done = text(ada.post(f"{HERE}{found.pk}/switch/", follow=True))
    assert "“Tests” decides from now on." in done
    assert "What it fits" in text(ada.get(f"{HERE}{found.pk}/"))
    again, _ = subscriptions.request(asked.application, api=asked.api, plan=asked.plan, purpose="x", by=in_acme.carl)
    assert again.status == "active"
    page = text(ada.get(f"/t/acme/console/subscriptions/{again.pk}/"))
    assert "was approved at once, by a rule" in page
    assert "The rule “Tests” approves by itself." in page
    carls = text(signed_in(in_acme.carl).get(f"/t/acme/apps/{asked.application_id}/?tab=subscriptions"))
    assert "by a rule" in carls
    assert "by its plan" not in carls
    assert re.search(r"Tests.*Approve by itself.*test applications.*On", text(ada.get(HERE)))


def test_it_is_edited_and_switched_off_and_deleted(in_acme: Cast, ada: Client, tests_rule: ApprovalRule) -> None:
    at = f"{HERE}{tests_rule.pk}/"
    approval_rules.change(tests_rule, enabled=True, tags=["open"], by=in_acme.ada)
    form = ada.get(f"{at}edit/").content.decode()
    assert 'value="open"' in form
    typed = {"name": "All tests", "outcome": "people", "environment": "test", "tags": "open, Free", "reads_only": "on", "own_team": "on"}
    assert "The rule is changed." in text(ada.post(f"{at}edit/", typed, follow=True))
    assert "Ask a person: test applications, APIs that only read, the team's own APIs, tagged open, free" in text(ada.get(at))
    assert "Nothing was changed." in text(ada.post(f"{at}edit/", typed, follow=True))
    assert "decides nothing any more" in text(ada.post(f"{at}switch/", follow=True))
    assert "is deleted." in text(ada.post(f"{at}delete/", follow=True))
    assert not ApprovalRule.objects.exists()
    kinds = Event.objects.filter(kind__startswith="approval_rule.").values_list("kind", flat=True)
    assert sorted(kinds) == ["approval_rule.changed"] * 3 + ["approval_rule.created", "approval_rule.deleted"]


def test_nothing_typed_is_lost(in_acme: Cast, ada: Client) -> None:
    refused = ada.post(f"{HERE}new/", {"name": "Everything", "outcome": "automatic", "tags": "", "most_per_minute": "-5"})
    assert refused.status_code == 422
    assert 'value="Everything"' in refused.content.decode()
    assert 'value="-5"' in refused.content.decode()
    refused = ada.post(f"{HERE}new/", {"name": "Everything", "outcome": "automatic", "tags": ""})
    assert "without a condition it would approve whatever is asked for" in text(refused)
    refused = ada.post(f"{HERE}new/", {"name": "Many", "outcome": "people", "tags": f"a, {'x' * 40}"})
    assert "is too long for a tag" in text(refused)


def test_who_gets_in(in_acme: Cast, tests_rule: ApprovalRule) -> None:
    at = f"{HERE}{tests_rule.pk}/"
    approver = make.member(in_acme.acme, "alan@acme.example", "approver")
    alan = signed_in(approver)
    assert alan.get(HERE).status_code == alan.get(at).status_code == 200
    assert "Switch it on" not in text(alan.get(at))
    for address in (f"{HERE}new/", f"{at}edit/", f"{at}switch/", f"{at}delete/"):
        assert alan.get(address).status_code == alan.post(address, {}).status_code == 403
        assert signed_in(in_acme.eve).get(address).status_code == 404
        assert signed_in(in_acme.eve).get(address.replace("acme", "globex")).status_code == (200 if address.endswith("new/") else 404)
    assert ApprovalRule.objects.get().enabled is False


def test_as_many_queries_for_many(in_acme: Cast, asked: Subscription, ada: Client, tests_rule: ApprovalRule) -> None:
    ada.get(HERE)
    for more in (3, 0):
        with queries("page:console-request-rules"):
            ada.get(HERE)
        with queries("page:console-request-rule"):
            ada.get(f"{HERE}{tests_rule.pk}/")
        for number in range(more):
            approval_rules.create(name=f"R{number}", outcome="automatic", environment="live", by=in_acme.ada)
            more_asked = make.subscription(status="pending", of=make.application(in_acme.carl, environment="test"), to=asked.plan)
            subscriptions.reject(more_asked, reason="No.", by=in_acme.ada)
