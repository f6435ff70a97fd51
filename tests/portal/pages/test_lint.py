"""The rules on documents in the browser: Ada chooses, Pam sees score and findings while she types and wherever a revision stands."""

from html import unescape
from typing import Any

import pytest
from django.test import Client

from apis.actions import publishing
from apis.actions.rules import change_rules
from apis.lint.rules import RULES
from apis.models import Api, Draft, LintRule, Revision
from tenants.models import Event, Role
from tenants.scope import tenant_scope
from tests import make
from tests.apis.test_lint import GOOD, good, many
from tests.apis.test_lint_rules import BLOCKS, without_summary
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in, text
from tests.portal.pages.test_wizard import AIM, TERMS, seen

RULES_PAGE = "/t/acme/console/api-rules/"
CHANGE = "/t/acme/console/settings/api-rules/"
WIZARD = "/t/acme/console/new-api/"
REVISIONS = "/t/acme/console/apis/orders/v1/revisions/"
AS_TYPED = {"HX-Request": "true", "HX-Target": "problems"}
WRONG = GOOD.replace("      summary: List orders\n", "")


def words(response: Any) -> str:
    """Of an answer that is no page of its own."""
    return " ".join(unescape(response.content.decode()).split())


@pytest.fixture
def pam(cast: Cast) -> Client:
    return signed_in(cast.pam)


@pytest.fixture
def ada(cast: Cast) -> Client:
    return signed_in(cast.ada)


@pytest.fixture
def orders(cast: Cast) -> Api:
    """Published; revision 1 breaks no rule, and revision 2 one."""
    with tenant_scope(cast.acme.pk):
        api = make.api("orders", content=good())
        publishing.add_revision(api.versions.get(), document=make.document(without_summary()), target=make.target(), by=cast.pam)
    return api


def choose(cast: Cast, **choices: str) -> None:
    with tenant_scope(cast.acme.pk):
        change_rules({name.replace("_", "-"): choice for name, choice in choices.items()}, by=cast.ada)


# --- choosing --------------------------------------------------------------------------------------------------------


def test_pam_reads_what_holds_and_changes_nothing(cast: Cast, pam: Client, ada: Client) -> None:
    choose(cast, operation_summary="blocks")
    told = text(pam.get(RULES_PAGE))
    for rule in RULES.values():
        assert rule.title in told
        assert rule.mend in told
    assert "Blocks publishing" in told
    assert CHANGE not in pam.get(RULES_PAGE).content.decode()
    assert CHANGE in ada.get(RULES_PAGE).content.decode()
    assert pam.get(CHANGE).status_code == 403


def test_ada_chooses_and_is_told(cast: Cast, ada: Client) -> None:
    assert 'name="no-$ref-siblings"' in ada.get(CHANGE).content.decode()
    sent = {name: rule.unless_chosen.value for name, rule in RULES.items()} | {"info-contact": "off", "operation-summary": "blocks"}
    answer = ada.post(CHANGE, {**sent, "once": "a" * 32}, follow=True)
    assert "The rules are changed." in answer.content.decode()
    with tenant_scope(cast.acme.pk):
        assert dict(LintRule.objects.values_list("rule", "choice")) == {"info-contact": "off", "operation-summary": "blocks"}
        assert Event.objects.latest("number").data["now"] == {"info-contact": "off", "operation-summary": "blocks"}
    again = ada.post(CHANGE, sent, follow=True)
    assert "Nothing was changed: the rules are as they were." in again.content.decode()
    # What is left out stays.
    ada.post(CHANGE, {"info-contact": "on"})
    with tenant_scope(cast.acme.pk):
        assert dict(LintRule.objects.values_list("rule", "choice")) == {"operation-summary": "blocks"}
        assert Event.objects.filter(kind="lint.changed").count() == 2


def test_a_choice_that_is_none_comes_back_with_the_others(cast: Cast, ada: Client) -> None:
    answer = ada.post(CHANGE, {"info-contact": "perhaps", "operation-summary": "off"})
    assert answer.status_code == 422
    assert "perhaps is not one of the available choices" in words(answer)
    assert '<option value="off" selected>' in answer.content.decode()
    with tenant_scope(cast.acme.pk):
        assert not LintRule.objects.exists()


def test_the_audit_tells_who_chose_what(cast: Cast, ada: Client) -> None:
    choose(cast, operation_summary="blocks")
    with tenant_scope(cast.acme.pk):
        number = Event.objects.get(kind="lint.changed").number
    auditor = signed_in(make.member(cast.acme, "ugo@acme.example", Role.AUDITOR))
    assert "Ada changed the rules on documents" in text(auditor.get("/t/acme/console/audit/"))
    told = text(auditor.get(f"/t/acme/console/audit/{number}/"))
    assert "operation-summary on blocks" in told


# --- seeing ----------------------------------------------------------------------------------------------------------


def test_score_and_findings_come_while_pam_types(cast: Cast, pam: Client, orders: Api) -> None:
    for at in (WIZARD, f"{REVISIONS}new/"):
        told = words(pam.post(at, {"document": WRONG}, headers=AS_TYPED))
        for said in ("It can be published", "Score: 98 of 100", "Operations have a summary", "GET /orders has no summary.", "1 of 4",
                     "Line 12, column 5", 'data-line="12"', "1 warning", "0 errors"):  # fmt: skip
            assert said in told, (at, said)
        assert "Score: 100 of 100" in words(pam.post(at, {"document": GOOD}, headers=AS_TYPED))
    choose(cast, operation_summary="blocks")
    for at in (WIZARD, f"{REVISIONS}new/"):
        told = words(pam.post(at, {"document": WRONG}, headers=AS_TYPED))
        assert "It breaks rules that block publishing" in told
        assert "It can be published" not in told
    choose(cast, operation_summary="off")
    assert "Score: 100 of 100" in words(pam.post(WIZARD, {"document": WRONG}, headers=AS_TYPED))


def test_a_document_that_cannot_be_read_has_no_score(cast: Cast, pam: Client) -> None:
    told = words(pam.post(WIZARD, {"document": GOOD.replace("get:", "fetch:")}, headers=AS_TYPED))
    assert "must be mended" in told
    assert "Score" not in told


def test_a_revision_shows_where_it_breaks_which_rule(cast: Cast, pam: Client, orders: Api) -> None:
    told = text(pam.get(f"{REVISIONS}2/"))
    for said in ("Score: 98 of 100", "Operations have a summary", "GET /orders has no summary.", RULES["operation-summary"].mend):
        assert said in told
    assert "It keeps every rule." in text(pam.get(f"{REVISIONS}1/"))
    choose(cast, operation_summary="blocks")
    assert "Blocks publishing" in text(pam.get(f"{REVISIONS}2/"))
    choose(cast, operation_summary="off")
    assert "Score: 100 of 100" in text(pam.get(f"{REVISIONS}2/"))
    with tenant_scope(cast.acme.pk):
        Revision.objects.update(lint=None, findings=[])
    assert "This was imported before documents were held to rules." in text(pam.get(f"{REVISIONS}2/"))
    assert "Score" not in text(pam.get(f"{REVISIONS}2/"))


def test_the_score_stands_in_the_lists(cast: Cast, pam: Client, orders: Api) -> None:
    listed = pam.get("/t/acme/console/apis/")
    assert "revision 1 is live score 100 of 100" in text(listed)
    assert RULES_PAGE in listed.content.decode()
    told = text(pam.get("/t/acme/console/apis/orders/"))
    assert "Score 100 of 100" in told
    assert "4 operations · score 98 of 100" in told
    with tenant_scope(cast.acme.pk):
        Revision.objects.update(lint=None)
    assert "score" not in text(pam.get("/t/acme/console/apis/"))


def test_of_many_findings_the_first_are_shown(cast: Cast, pam: Client) -> None:
    told = words(pam.post(WIZARD, {"document": many(60)}, headers=AS_TYPED))
    assert "60 of 60" in told
    assert "These are the first 50." in told
    assert "GET /thing_49/{id} has no summary." in told
    assert "GET /thing_50/{id} has no summary." not in told


def test_names_of_the_document_do_no_harm(cast: Cast, pam: Client) -> None:
    hostile = GOOD.replace("name: pageSize", "name: 50%(x)s<script>alert(1)</script>").replace("description: How many at once., ", "")
    told = pam.post(WIZARD, {"document": hostile}, headers=AS_TYPED).content.decode()
    assert "50%(x)s&lt;script&gt;" in told
    assert "<script>" not in told


def test_pam_reads_it_in_her_language(cast: Cast, pam: Client, orders: Api) -> None:
    """And no placeholder is left."""
    for language in ("de", "zh-hans"):
        told = text(pam.get(f"{REVISIONS}2/", headers={"accept-language": language}))
        assert "GET /orders" in told
        assert "%(" not in told


# --- blocking --------------------------------------------------------------------------------------------------------


def test_a_revision_that_breaks_it_is_not_made_live(cast: Cast, pam: Client, orders: Api) -> None:
    choose(cast, operation_summary="blocks")
    answer = pam.post(f"{REVISIONS}2/live/", {"instead_of": "1"})
    assert answer.status_code == 409
    assert "“Operations have a summary” (operation-summary): Line 1: GET /orders has no summary." in words(answer)
    choose(cast, operation_summary="on")
    assert pam.post(f"{REVISIONS}2/live/", {"instead_of": "1"}).status_code == 302


def test_a_version_that_breaks_it_is_not_published(cast: Cast, pam: Client) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders", content=without_summary(), published=False)
    choose(cast, operation_summary="blocks")
    answer = pam.post("/t/acme/console/apis/orders/v1/publish/", {})
    assert answer.status_code == 409
    assert "Revision 1 breaks rules that block publishing." in words(answer)


def test_a_new_api_that_breaks_it_keeps_its_draft(cast: Cast, pam: Client) -> None:
    choose(cast, operation_summary="blocks")
    pam.post(WIZARD, {"document": WRONG})
    assert "GET /orders has no summary." in text(pam.get(f"{WIZARD}check/"))
    pam.post(f"{WIZARD}check/", {"name": "Orders", "slug": "orders", "description": ""})
    pam.post(f"{WIZARD}upstream/", AIM)
    plan = f"{WIZARD}plan/"
    answer = pam.post(plan, {**TERMS, "seen": seen(pam.get(plan))})
    assert answer.status_code == 409
    assert "Line 12: GET /orders has no summary." in words(answer)
    with tenant_scope(cast.acme.pk):
        assert (Draft.objects.count(), Api.objects.count()) == (1, 0)
    pam.post(WIZARD, {"document": GOOD})
    assert pam.post(plan, {**TERMS, "seen": seen(pam.get(plan))}).status_code == 302


def test_left_empty_the_document_of_before_is_asked_anew_without_lines(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        publishing.make_live(Revision.objects.get(number=2), by=cast.pam)
    assert pam.post(f"{REVISIONS}new/", {**AIM, "document": "", "note": ""}).status_code == 302
    with tenant_scope(cast.acme.pk):
        found = Revision.objects.get(number=3).found
        assert found is not None
        assert [each.line for each in found.findings] == [0]


# --- who, and how much -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [RULES_PAGE, CHANGE])
def test_carl_may_not_and_eve_sees_nothing(cast: Cast, at: str) -> None:
    for who, status in ((cast.carl, 403), (cast.eve, 404), (cast.olga, 404)):
        client = signed_in(who)
        assert client.get(at).status_code == status
        assert client.post(at, {**BLOCKS}).status_code == status
    with tenant_scope(cast.acme.pk):
        assert not LintRule.objects.exists()


def test_eve_finds_her_own_rules_untouched(cast: Cast) -> None:
    choose(cast, operation_summary="blocks")
    assert "Blocks publishing" not in text(signed_in(cast.eve).get("/t/globex/console/api-rules/"))


def test_the_pages_make_the_same_queries_whatever_is_chosen(cast: Cast, ada: Client) -> None:
    for _ in range(2):
        for name, at in (("page:api-lint", RULES_PAGE), ("page:settings-lint", CHANGE)):
            ada.get(at)
            with queries(name):
                assert ada.get(at).status_code == 200
        choose(cast, **dict.fromkeys((name.replace("-", "_") for name in RULES if "$" not in name), "blocks"))


def test_lists_leave_findings_where_they_are(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        live = Api.objects.with_versions().get().versions.all()[0].live_revision
        assert isinstance(live, Revision)
        assert live.get_deferred_fields() == {"document", "outline", "findings", "answers"}
