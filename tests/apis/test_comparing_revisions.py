"""Pam asks over REST what a revision changes before she makes it live."""

import copy
from typing import Any

import pytest
from django.utils import translation

from apis.actions import publishing
from apis.compared import _Kept, compared
from apis.differences import Level
from apis.models import ApiVersion, Revision
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base


@pytest.fixture
def version(cast: Cast) -> ApiVersion:
    """Orders v1: its first revision is live, the second has one more operation and asks another, the third is the first again."""
    more = copy.deepcopy(make.DOCUMENT)
    more["paths"]["/orders"]["delete"] = {"operationId": "clear", "summary": "Clear", "responses": {"204": {"description": "Gone"}}}
    more["paths"]["/orders"]["get"]["parameters"] = [{"name": "from", "in": "query", "required": True, "schema": {"type": "string"}}]
    with tenant_scope(cast.acme.pk):
        found = make.api("orders").versions.get()
        publishing.add_revision(found, document=make.document(more), target=make.target("http://127.0.0.1:10"), by=None)
        publishing.add_revision(found, document=make.document(make.DOCUMENT), target=make.target(), by=None)
    return found


def at(cast: Cast, number: int, **query: Any) -> str:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{base(cast.acme)}/apis/orders/versions/v1/revisions/{number}/differences/?{asked}"


def test_pam_compares_a_revision_with_the_live_one(cast: Cast, rest: Rest, version: ApiVersion) -> None:
    with tenant_scope(cast.acme.pk):
        was = str(version.revisions.get(number=1).upstream)
    asked = {"method": "GET", "path": "/orders", "operation_id": "listOrders", "summary": ""}
    added = {"method": "DELETE", "path": "/orders", "operation_id": "clear", "summary": "Clear"}
    assert rest(cast.pam).get(at(cast, 2)).json() == {
        "number": 2,
        "compared_with": 1,
        "compared_with_version": "v1",
        "breaking": 1,
        "risky": 1,
        "safe": 1,
        "changes": [
            {
                "rule": "new-required-request-parameter",
                "level": "breaking",
                "text": "The parameter from (query) is new and required.",
                "operation": asked,
            },
            {"rule": "endpoint-added", "level": "safe", "text": "The operation is new.", "operation": added},
            {
                "rule": "upstream-changed",
                "level": "risky",
                "text": f"Calls go to http://127.0.0.1:10; they went to {was}.",
                "operation": None,
            },
        ],
    }


def test_and_with_any_other(cast: Cast, rest: Rest, version: ApiVersion) -> None:
    found = rest(cast.pam).get(at(cast, 3, **{"from": 2})).json()
    assert (found["compared_with"], found["breaking"], found["risky"]) == (2, 1, 2)
    assert {each["rule"] for each in found["changes"]} == {
        "api-removed-without-deprecation", "request-parameter-removed", "upstream-changed",
    }  # fmt: skip
    same = rest(cast.pam).get(at(cast, 3)).json()
    assert (same["compared_with"], same["changes"]) == (1, [])


def test_and_with_another_version(cast: Cast, rest: Rest, version: ApiVersion) -> None:
    with tenant_scope(cast.acme.pk):
        v2 = publishing.add_version(version.api, name="v2", by=None)
        publishing.add_revision(v2, document=make.document(make.DOCUMENT), target=make.target("http://127.0.0.1:10"), by=None)
    there = at(cast, 1).replace("versions/v1", "versions/v2")
    for asked in ("from_version=v1", "from_version=v1&from=1"):
        found = rest(cast.pam).get(there + asked).json()
        assert (found["compared_with"], found["compared_with_version"]) == (1, "v1")
        assert {each["rule"] for each in found["changes"]} == {"upstream-changed"}
    assert rest(cast.pam).get(there).json()["compared_with_version"] is None
    for nonsense in ("v3", ""):
        refused = rest(cast.pam).get(f"{there}from_version={nonsense}")
        assert (refused.status_code, refused.json()["errors"]) == (422, {"from_version": ["Orders has no such version."]})


def test_where_nothing_is_live_everything_is_new(cast: Cast, rest: Rest, version: ApiVersion) -> None:
    with tenant_scope(cast.acme.pk):
        ApiVersion.objects.update(live_revision=None)
    found = rest(cast.pam).get(at(cast, 1)).json()
    assert (found["compared_with"], found["safe"], {each["rule"] for each in found["changes"]}) == (None, 3, {"endpoint-added"})


@pytest.mark.parametrize("given", ["9", "x", "-1", "0", "99999999999999999999", "1.5", "²"])
def test_a_revision_that_is_not_there_is_told(cast: Cast, rest: Rest, version: ApiVersion, given: str) -> None:
    found = rest(cast.pam).get(at(cast, 2, **{"from": given}))
    assert (found.status_code, found.json()["errors"]) == (422, {"from": ["Orders v1 has no such revision."]})
    assert rest(cast.pam).get(at(cast, 9)).status_code == 404


def test_who_does_not_publish_compares_nothing_and_eve_sees_nothing(cast: Cast, rest: Rest, version: ApiVersion) -> None:
    assert [rest(who).get(at(cast, 2)).status_code for who in (cast.carl, cast.eve, None)] == [403, 404, 401]
    assert rest(cast.eve).get(at(cast, 2).replace("/acme/", "/globex/")).status_code == 404


def test_what_was_compared_lately_is_known_without_its_documents(version: ApiVersion, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> list[bool]:
        """Whether each of the documents was read."""
        two = [Revision.objects.defer("document").select_related("upstream").get(version=version, number=number) for number in (1, 2)]
        assert {each.level for each in compared(*two).changes} == set(Level)
        return ["document" not in each.get_deferred_fields() for each in two]

    with tenant_scope(cast.acme.pk):
        assert [read(), read()] == [[True, True], [False, False]]
        # Sentences are in the reader's language.
        with translation.override("de"):
            assert read() == [True, True]
        # Of many, those that were asked for last.
        monkeypatch.setattr("apis.compared.KEPT", 1)
        compared(None, version.revisions.get(number=1))
        assert [read(), read()] == [[True, True], [False, False]]
        # What is large is not kept.
        monkeypatch.setattr("apis.compared.CHARACTERS", 10)
        compared(None, version.revisions.get(number=1))
        assert [read(), read()] == [[False, False], [False, False]]
        monkeypatch.setattr("apis.compared._kept", _Kept())
        assert [read(), read()] == [[True, True], [True, True]]
