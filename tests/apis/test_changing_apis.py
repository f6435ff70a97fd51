"""Pam changes what an API is called, what is said of it, and whose pages may call it."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apis.actions import publishing
from apis.models import Api
from tenants.errors import Invalid
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries

SHOP, ADMIN = "https://shop.example", "https://admin.example:8443"


@pytest.fixture
def api(in_acme: Cast) -> Api:
    return make.api("orders")


def change(api: Api, **fields: Any) -> Event | None:
    return publishing.change_api(api, **{"name": None, "description": None, "cors_origins": None, "by": None, **fields})


def told(event: Event | None) -> tuple[str, Any, Any]:
    assert event is not None
    return event.kind, event.data["was"], event.data["now"]


def changes() -> list[str]:
    return list(Event.objects.filter(kind__in=["api.changed", "api.cors_changed"]).order_by("number").values_list("kind", flat=True))


# The action


def test_a_new_name_is_an_event_that_says_what_it_was(in_acme: Cast, api: Api) -> None:
    event = change(api, name="Sales", description="", by=in_acme.pam)
    assert told(event) == ("api.changed", {"name": "Orders"}, {"name": "Sales"})
    assert event is not None
    assert (event.actor_id, event.subject_id) == (in_acme.pam.pk, api.pk)
    assert Api.objects.get().name == "Sales"


def test_what_does_not_differ_is_no_event(api: Api) -> None:
    assert change(api) is None
    assert change(api, name="Orders", description="", cors_origins=[]) is None
    change(api, cors_origins=[SHOP, ADMIN])
    assert change(api, cors_origins=[ADMIN, " HTTPS://Shop.Example:443 ", SHOP]) is None
    assert changes() == ["api.cors_changed"]


def test_gateways_hear_of_origins_and_of_nothing_else(api: Api) -> None:
    both = change(api, name="Sales", cors_origins=[SHOP])
    assert told(both) == ("api.cors_changed", {"cors_origins": []}, {"cors_origins": [SHOP]})
    assert changes() == ["api.changed", "api.cors_changed"]
    assert told(change(api, description="Sells."))[0] == "api.changed"
    assert told(change(api, cors_origins=[])) == ("api.cors_changed", {"cors_origins": [SHOP]}, {"cors_origins": []})


def test_a_change_made_meanwhile_is_not_undone(api: Api) -> None:
    """Two people had the API before them; each changes what they meant to, and the events say what it was."""
    mine, theirs = Api.objects.get(), Api.objects.get()
    change(theirs, description="Theirs.", cors_origins=[SHOP])
    assert told(change(mine, name="Mine")) == ("api.changed", {"name": "Orders"}, {"name": "Mine"})
    assert told(change(mine, cors_origins=[ADMIN])) == ("api.cors_changed", {"cors_origins": [SHOP]}, {"cors_origins": [ADMIN]})
    found = Api.objects.get()
    assert (found.name, found.description, found.cors_origins) == ("Mine", "Theirs.", [ADMIN])


def test_a_wrong_origin_changes_nothing(api: Api) -> None:
    with pytest.raises(Invalid) as refused:
        change(api, name="Sales", cors_origins=[SHOP, "https://shop.example/"])
    assert refused.value.problems == {"cors_origins": ["https://shop.example/ has a path; an origin ends after the host and port."]}
    assert Api.objects.get().name == "Orders"
    assert changes() == []


def test_the_database_holds_twenty_origins(api: Api) -> None:
    with pytest.raises(IntegrityError, match="few_origins_per_api"), transaction.atomic():
        Api.objects.update(cors_origins=[f"https://{n}.example" for n in range(21)])


# REST


@pytest.fixture
def address(cast: Cast) -> str:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    return f"{base(cast.acme)}/apis/orders/"


def test_pam_changes_only_what_she_sends(cast: Cast, rest: Rest, address: str) -> None:
    pam = rest(cast.pam)
    with queries("PATCH apis/orders/"):
        answer = pam.patch(address, {"cors_origins": ["https://Shop.example:443", ADMIN]})
    assert answer.status_code == 200, answer.content
    assert answer.json()["cors_origins"] == [ADMIN, SHOP]
    assert answer.json()["name"] == "Orders"
    receipt = pam.get(answer.json()["receipt"]).json()
    assert (receipt["event"], receipt["kind"]) == (answer.json()["event"], "api.cors_changed")
    named = pam.patch(address, {"name": "Sales", "description": "Sells."}).json()
    assert (named["name"], named["description"], named["cors_origins"]) == ("Sales", "Sells.", [ADMIN, SHOP])
    assert pam.get(named["receipt"]).json()["kind"] == "api.changed"
    assert pam.get(address).json() == {name: value for name, value in named.items() if name not in {"event", "receipt"}}


def test_without_a_difference_there_is_no_receipt(cast: Cast, rest: Rest, address: str) -> None:
    bodies: list[dict[str, Any]] = [{}, {"name": "Orders"}, {"cors_origins": []}]
    for body in bodies:
        answer = rest(cast.pam).patch(address, body)
        assert answer.status_code == 200
        assert not {"event", "receipt"} & set(answer.json())
        assert answer.json()["slug"] == "orders"


@pytest.mark.parametrize(
    "body,field",
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"description": "x" * 5001}, "description"),
        ({"description": None}, "description"),
        ({"slug": "sales"}, "slug"),
        ({"cors_origins": None}, "cors_origins"),
        ({"cors_origins": SHOP}, "cors_origins"),
        ({"cors_origins": {SHOP: True}}, "cors_origins"),
        ({"cors_origins": [1]}, "cors_origins"),
        ({"cors_origins": [""]}, "cors_origins"),
        ({"cors_origins": [[SHOP]]}, "cors_origins"),
        ({"cors_origins": ["a\x00b"]}, "cors_origins"),
        ({"cors_origins": ["javascript:alert(1)"]}, "cors_origins"),
        ({"cors_origins": ["x" * 10_000]}, "cors_origins"),
        ({"cors_origins": [SHOP, "*"]}, "cors_origins"),
        ({"cors_origins": [f"https://{n}.example" for n in range(21)]}, "cors_origins"),
        ({"cors_origins": [SHOP] * 101}, "cors_origins"),
    ],
)
def test_what_cannot_be_used_is_told_and_changes_nothing(cast: Cast, rest: Rest, address: str, body: Any, field: str) -> None:
    answer = rest(cast.pam).patch(address, body)
    assert answer.status_code == 422, answer.content
    assert {name.partition(".")[0] for name in answer.json()["errors"]} == {field}
    with tenant_scope(cast.acme.pk):
        assert changes() == []
        found = Api.objects.get()
        assert (found.name, found.description, found.cors_origins) == ("Orders", "", [])


def test_who_may_change_an_api(cast: Cast, rest: Rest, address: str) -> None:
    body = {"name": "Mine", "cors_origins": ["*"]}
    assert rest(cast.carl).patch(address, body).status_code == 403
    assert rest(cast.eve).patch(address, body).status_code == 404
    assert rest(cast.olga).patch(address, body).status_code == 404
    assert rest(None).patch(address, body).status_code == 401
    # Eve's own tenant has no such API.
    assert rest(cast.eve).patch(f"{base(cast.globex)}/apis/orders/", body).status_code == 404
    with tenant_scope(cast.acme.pk):
        assert changes() == []
    assert rest(cast.ada).patch(address, body).status_code == 200


def test_developers_are_not_told_whose_pages_may_call(cast: Cast, rest: Rest, address: str) -> None:
    assert rest(cast.pam).patch(address, {"cors_origins": [SHOP]}).status_code == 200
    for person, sees in ((cast.pam, True), (cast.ada, True), (cast.carl, False)):
        listed = rest(person).get(f"{base(cast.acme)}/apis/").json()["results"][0]
        assert [("cors_origins" in listed), ("cors_origins" in rest(person).get(address).json())] == [sees, sees]
