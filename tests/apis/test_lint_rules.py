"""Ada chooses what Acme's documents are held to; Pam is told over REST, and what breaks a rule that blocks is not published."""

import copy
from typing import Any

import pytest

from apis.actions import drafts, publishing
from apis.actions.rules import change_rules
from apis.lint.rules import RULES, Choice
from apis.models import Api, ApiVersion, LintRule, Revision
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, Role
from tenants.scope import tenant_scope
from tests import make
from tests.apis.test_lint import GOOD, good, operation
from tests.conftest import Cast, Rest, base, queries

BLOCKS = {"operation-summary": "blocks"}


def without_summary() -> Any:
    document = good()
    operation(document).pop("summary")
    return document


def add(version: ApiVersion, content: Any) -> Revision:
    return publishing.add_revision(version, document=make.document(content), target=make.target(), by=None)


@pytest.fixture
def version(in_acme: Cast) -> ApiVersion:
    """Orders v1, published; its revision 1 breaks no rule."""
    return make.api("orders", content=good()).versions.get()


# --- choosing --------------------------------------------------------------------------------------------------------


def test_a_choice_is_kept_where_it_differs(in_acme: Cast) -> None:
    event = change_rules({"info-contact": "off", "path-segment-plural": "on", "tag-description": "on"}, by=in_acme.ada)
    assert event is not None
    assert (event.kind, event.subject_name, event.actor_name) == ("lint.changed", "Acme", "Ada")
    assert event.data == {
        "was": {"info-contact": "on", "path-segment-plural": "off"},
        "now": {"info-contact": "off", "path-segment-plural": "on"},
    }
    assert set(LintRule.objects.values_list("rule", "choice")) == {("info-contact", "off"), ("path-segment-plural", "on")}
    assert change_rules({"info-contact": "on", "path-segment-plural": "blocks"}, by=in_acme.ada)
    assert set(LintRule.objects.values_list("rule", "choice")) == {("path-segment-plural", "blocks")}
    choices = LintRule.objects.chosen()
    assert list(choices) == list(RULES)
    assert {rule for rule, choice in choices.items() if choice is not Choice.ON} == {"path-segment-plural"}


def test_what_is_so_already_is_no_event(in_acme: Cast) -> None:
    assert change_rules({"info-contact": "on"}, by=in_acme.ada) is None
    assert not LintRule.objects.exists()
    assert not Event.objects.filter(kind="lint.changed").exists()


@pytest.mark.parametrize(
    "given,said",
    [({"no-such": "on"}, "There is no such rule."), ({"info-contact": "x"}, "Choose from off, on, blocks.")],
)
def test_nothing_of_it_is_done_if_part_of_it_is_wrong(in_acme: Cast, given: dict[str, str], said: str) -> None:
    with pytest.raises(Invalid) as caught:
        change_rules({**given, "operation-summary": "off"}, by=in_acme.ada)
    assert caught.value.problems == {next(iter(given)): [said]}
    assert not LintRule.objects.exists()


# --- blocking, at the action -----------------------------------------------------------------------------------------


def test_what_breaks_a_rule_that_blocks_is_not_made_live(in_acme: Cast, version: ApiVersion) -> None:
    two = add(version, without_summary())
    change_rules(BLOCKS, by=in_acme.ada)
    with pytest.raises(NotAllowed) as caught:
        publishing.make_live(two, by=in_acme.pam)
    sentence = "Revision 2 breaks rules that block publishing. “Operations have a summary” (operation-summary): "
    assert str(caught.value) == f"{sentence}Line 1: GET /orders has no summary."
    assert version.live_revision is not None
    assert not Event.objects.filter(kind="revision.live", data__number=2).exists()
    change_rules({"operation-summary": "on"}, by=in_acme.ada)
    publishing.make_live(two, by=in_acme.pam)


def test_the_first_places_and_rules_are_named_and_the_rest_is_counted(in_acme: Cast, version: ApiVersion) -> None:
    two = add(version, make.DOCUMENT)
    names = ("operation-security", "operation-summary", "operation-4xx-response", "operation-description", "info-description")
    change_rules(dict.fromkeys(names, "blocks"), by=in_acme.ada)
    with pytest.raises(NotAllowed) as caught:
        publishing.make_live(two, by=in_acme.pam)
    told = str(caught.value)
    assert told.count("asks callers for nothing.") == 3
    assert told.endswith("2 more rules are broken.")
    more = copy.deepcopy(make.DOCUMENT)
    more["paths"]["/a"] = more["paths"]["/b"] = {"get": {"responses": {"200": {"description": "d"}}}}
    three = add(version, more)
    with pytest.raises(NotAllowed, match=r"\(operation-security\): .* nothing\. And 2 more\. “"):
        publishing.make_live(three, by=in_acme.pam)


def test_what_was_live_once_can_be_gone_back_to(in_acme: Cast, version: ApiVersion) -> None:
    one = version.revisions.get()
    publishing.make_live(add(version, without_summary()), by=in_acme.pam)
    three = add(version, good())
    publishing.make_live(three, by=in_acme.pam)
    change_rules(BLOCKS, by=in_acme.ada)
    publishing.make_live(version.revisions.get(number=2), by=in_acme.pam)
    publishing.make_live(one, by=in_acme.pam)
    # What never was is held to them, were it the same document.
    with pytest.raises(NotAllowed, match="Revision 4 breaks"):
        publishing.make_live(add(version, without_summary()), by=in_acme.pam)


def test_what_was_live_before_stays_live_and_is_not_published(in_acme: Cast) -> None:
    version = make.api("orders", content=without_summary(), published=False).versions.get()
    change_rules(BLOCKS, by=in_acme.ada)
    for step in (publishing.prerelease, publishing.publish):
        with pytest.raises(NotAllowed, match="Revision 1 breaks rules that block publishing"):
            step(version, by=in_acme.pam)
    version.refresh_from_db()
    assert (version.status, version.live_revision_id is not None) == ("created", True)
    change_rules({"operation-summary": "off"}, by=in_acme.ada)
    publishing.publish(version, by=in_acme.pam)


def test_what_was_never_asked_is_not_published_once_a_rule_blocks(in_acme: Cast, version: ApiVersion) -> None:
    two = add(version, good())
    Revision.objects.filter(pk=two.pk).update(lint=None, findings=[])
    two.refresh_from_db()
    change_rules(BLOCKS, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="Revision 2 was imported before there was a rule that blocks publishing now"):
        publishing.make_live(two, by=in_acme.pam)
    # Nor is it by the other rules, where the one that blocks came later.
    Revision.objects.filter(pk=two.pk).update(lint={"info-contact": [1, 0]})
    two.refresh_from_db()
    with pytest.raises(NotAllowed, match="Revision 2 was imported before"):
        publishing.make_live(two, by=in_acme.pam)
    change_rules({"operation-summary": "on"}, by=in_acme.ada)
    publishing.make_live(two, by=in_acme.pam)


def test_a_draft_is_held_to_them_and_stays(in_acme: Cast) -> None:
    change_rules(BLOCKS, by=in_acme.ada)
    draft = make.draft(in_acme.pam)
    document, target = make.document(without_summary()), make.target()
    with pytest.raises(NotAllowed, match="Revision 1 breaks rules"):
        drafts.publish(draft, document=document, target=target, plan=drafts.Terms("gold", 1, 1, "manual"), by=in_acme.pam)
    assert not Api.objects.exists()
    draft.refresh_from_db()


def test_one_tenants_choices_are_no_others(cast: Cast) -> None:
    with tenant_scope(cast.globex.pk):
        change_rules(dict.fromkeys(RULES, "blocks"), by=cast.eve)
    with tenant_scope(cast.acme.pk):
        assert Choice.BLOCKS not in LintRule.objects.chosen().values()
        make.api("orders")


# --- REST ------------------------------------------------------------------------------------------------------------


def revisions(cast: Cast) -> str:
    return f"{base(cast.acme)}/apis/orders/versions/v1/revisions/"


def test_pam_reads_score_and_findings(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders", content=good())
    body = {"document": GOOD.replace("      summary: List orders\n", ""), "upstream": {"url": "http://127.0.0.1:9"}}
    made = rest(cast.pam).post(revisions(cast), body, format="json")
    assert made.status_code == 201
    assert made.json()["lint"] == {"score": 98, "errors": 0, "warnings": 1, "hints": 0}
    assert rest(cast.pam).get(f"{revisions(cast)}2/").json()["lint"]["score"] == 98
    assert [each["lint"]["score"] for each in rest(cast.pam).get(revisions(cast)).json()["results"]] == [98, 100]
    (rule,) = (found := rest(cast.pam).get(f"{revisions(cast)}2/lint/").json())["rules"]
    assert {name: found[name] for name in ("score", "errors", "warnings", "hints", "blocked")} == {
        "score": 98, "errors": 0, "warnings": 1, "hints": 0, "blocked": False,
    }  # fmt: skip
    assert (rule["rule"], rule["severity"], rule["found"], rule["looked_at"]) == ("operation-summary", "warning", 1, 4)
    assert rule["findings"] == [{"sentence": "GET /orders has no summary.", "pointer": "#/paths/~1orders/get", "line": 12, "column": 5}]


def test_a_document_that_came_as_json_itself_has_no_lines(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders", content=good())
    rest(cast.pam).post(revisions(cast), {"document": without_summary(), "upstream": {"url": "http://127.0.0.1:9"}}, format="json")
    (rule,) = rest(cast.pam).get(f"{revisions(cast)}2/lint/").json()["rules"]
    assert (rule["findings"][0]["line"], rule["findings"][0]["pointer"]) == (None, "#/paths/~1orders/get")


def test_where_the_rules_were_not_asked_there_is_no_lint(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
        Revision.objects.update(lint=None, findings=[])
    assert rest(cast.pam).get(f"{revisions(cast)}1/").json()["lint"] is None
    assert rest(cast.pam).get(f"{revisions(cast)}1/lint/").status_code == 404


def test_ada_chooses_and_pam_reads(cast: Cast, rest: Rest) -> None:
    at = f"{base(cast.acme)}/lint-rules/"
    found = {each["rule"]: each for each in rest(cast.pam).get(at).json()["rules"]}
    assert list(found) == list(RULES)
    assert found["path-segment-plural"]["choice"] == found["path-segment-plural"]["unless_chosen"] == "off"
    answer = rest(cast.ada).patch(at, {"rules": {"info-contact": "off", **BLOCKS}}, format="json")
    assert answer.status_code == 200
    chosen = {each["rule"]: each["choice"] for each in answer.json()["rules"]}
    assert (chosen["info-contact"], chosen["operation-summary"], chosen["info-description"]) == ("off", "blocks", "on")
    with tenant_scope(cast.acme.pk):
        assert Event.objects.filter(kind="lint.changed").count() == 1


@pytest.mark.parametrize(
    "body,field",
    [
        ({"rules": {"no-such": "on"}}, "no-such"),
        ({"rules": {"info-contact": "perhaps"}}, "rules.info-contact"),
        ({"rules": {"info-contact": 1}}, "rules.info-contact"),
        ({"rules": ["info-contact"]}, "rules"),
        ({"rule": {}}, "rule"),
        ({}, "rules"),
    ],
)
def test_what_is_wrong_with_a_choice_is_said(cast: Cast, rest: Rest, body: Any, field: str) -> None:
    answer = rest(cast.ada).patch(f"{base(cast.acme)}/lint-rules/", body, format="json")
    assert answer.status_code == 422
    assert field in answer.json()["errors"], answer.json()
    with tenant_scope(cast.acme.pk):
        assert not LintRule.objects.exists()


def test_a_refusal_says_which_rule_and_where(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        version = make.api("orders", content=good(), published=False).versions.get()
        add(version, without_summary())
        change_rules(BLOCKS, by=cast.ada)
    answer = rest(cast.pam).post(f"{revisions(cast)}2/live/")
    assert answer.status_code == 409
    assert "(operation-summary)" in answer.json()["detail"]
    assert "GET /orders has no summary." in answer.json()["detail"]
    assert rest(cast.pam).get(f"{revisions(cast)}2/lint/").json()["blocked"] is True
    with tenant_scope(cast.acme.pk):
        Revision.objects.filter(number=1).update(lint=version.revisions.get(number=2).lint)
    assert rest(cast.pam).post(f"{base(cast.acme)}/apis/orders/versions/v1/publish/").status_code == 409


def test_who_may_read_and_who_may_choose(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    auditor = make.member(cast.acme, "ugo@acme.example", Role.AUDITOR)
    rules, findings = f"{base(cast.acme)}/lint-rules/", f"{revisions(cast)}1/lint/"
    may = ((cast.ada, 200, 200), (cast.pam, 200, 403), (cast.carl, 403, 403), (auditor, 403, 403), (cast.eve, 404, 404))
    for who, reads, chooses in may:
        assert rest(who).get(rules).status_code == reads
        assert rest(who).get(findings).status_code == reads
        assert rest(who).patch(rules, {"rules": {}}, format="json").status_code == chooses
    assert rest(cast.eve).get(f"{base(cast.globex)}/apis/orders/versions/v1/revisions/1/lint/").status_code == 404


def test_what_it_takes(cast: Cast, rest: Rest) -> None:
    client = rest(cast.ada)
    with tenant_scope(cast.acme.pk):
        make.api("orders")
        change_rules(dict.fromkeys(RULES, "blocks"), by=cast.ada)
    for path in ("apis/orders/versions/v1/revisions/1/lint/", "lint-rules/"):
        client.get(f"{base(cast.acme)}/{path}")
        with queries(path):
            assert client.get(f"{base(cast.acme)}/{path}").status_code == 200
