"""The platform over REST: Olga operates it; to everybody else nothing is there."""

import pytest

from tenants.models import PlatformEvent, PlatformSettings, Role, User
from tests import make
from tests.conftest import Cast, Rest, queries

AT = "/api/v1/platform"


def test_operators_alone_find_it(cast: Cast, rest: Rest) -> None:
    reads = [f"{AT}/tenants/", f"{AT}/people/", f"{AT}/settings/"]
    changes = [f"{AT}/people/{cast.carl.pk}/close/", f"{AT}/people/{cast.carl.pk}/open/"]
    for who in (cast.ada, cast.carl, cast.eve):
        assert {rest(who).get(each).status_code for each in reads} == {404}
        assert {rest(who).post(each).status_code for each in changes} == {404}
        assert rest(who).patch(f"{AT}/settings/", {"sign_up": "open"}, format="json").status_code == 404
    assert {rest(None).get(each).status_code for each in reads} == {401}
    assert {rest(cast.olga).get(each).status_code for each in reads} == {200}
    assert User.objects.get(pk=cast.carl.pk).is_active


def test_tenants_and_people_are_found(cast: Cast, rest: Rest) -> None:
    olga = rest(cast.olga)
    with queries("GET platform/tenants/"):
        found = olga.get(f"{AT}/tenants/?q=acm").json()["results"]
    assert [(each["slug"], each["status"]) for each in found] == [("acme", "active")]
    assert olga.get(f"{AT}/tenants/?status=suspended").json()["results"] == []
    assert "Choose from active" in olga.get(f"{AT}/tenants/?status=gone").json()["errors"]["status"][0]
    with queries("GET platform/people/"):
        people = olga.get(f"{AT}/people/?q=carl").json()["results"]
    assert [(each["email"], each["is_active"], each["is_staff"]) for each in people] == [(cast.carl.email, True, False)]
    assert len(olga.get(f"{AT}/people/?limit=1").json()["results"]) == 1


def test_an_account_is_closed_and_opened(cast: Cast, rest: Rest) -> None:
    olga, one = rest(cast.olga), f"{AT}/people/{cast.carl.pk}"
    assert olga.post(f"{one}/close/").json()["is_active"] is False
    again = olga.post(f"{one}/close/")
    assert (again.status_code, again.json()["detail"]) == (409, "This account is closed already.")
    assert olga.post(f"{one}/open/").json()["is_active"] is True
    assert olga.post(f"{one}/open/").status_code == 409
    kinds = PlatformEvent.objects.filter(subject_id=cast.carl.pk).order_by("number").values_list("kind", "actor_id")
    assert list(kinds)[-2:] == [("person.deactivated", cast.olga.pk), ("person.reactivated", cast.olga.pk)]
    assert olga.post(f"{AT}/people/{cast.olga.pk}/close/").status_code == 409, "one's own"


def test_a_service_account_is_no_person(in_acme: Cast, rest: Rest) -> None:
    service, _ = make.service_account(by=make.somebody(Role.ADMIN))
    olga = rest(in_acme.olga)
    assert olga.post(f"{AT}/people/{service.user_id}/close/").status_code == 404
    assert str(service.user_id) not in [each["id"] for each in olga.get(f"{AT}/people/?limit=200").json()["results"]]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"tenants_by": "nobody"}, "tenants_by"),
        ({"sign_up": "domains"}, "sign_up_domains"),
        ({"sign_up_domains": ["x"] * 21}, "sign_up_domains"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_settings_that_cannot_be_used(cast: Cast, rest: Rest, given: dict[str, object], field: str) -> None:
    answer = rest(cast.olga).patch(f"{AT}/settings/", given, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_settings_are_changed_one_by_one(cast: Cast, rest: Rest) -> None:
    olga = rest(cast.olga)
    answer = olga.patch(f"{AT}/settings/", {"sign_up": "domains", "sign_up_domains": ["acme.example"]}, format="json")
    assert answer.json() == {"tenants_by": "operators", "sign_up": "domains", "sign_up_domains": ["acme.example"]}
    olga.patch(f"{AT}/settings/", {"tenants_by": "everybody"}, format="json")
    assert (PlatformSettings.get().tenants_by, PlatformSettings.get().sign_up) == ("everybody", "domains")
    assert olga.get(f"{AT}/settings/").json() == {"tenants_by": "everybody", "sign_up": "domains", "sign_up_domains": ["acme.example"]}
