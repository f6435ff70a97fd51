"""A program changes what it read, and not what somebody else has made of it meanwhile: ETag and If-Match."""

import threading
from typing import Any

import pytest
from django.db import connection

from apis.models import Api
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base
from tests.tenants.test_isolation import ADDRESSES, World, address, answer, world
from tests.tenants.test_role_matrix import VIEWS

__all__ = ["world"]
CHANGED = "This has changed since you read it. Read it again before you change it."


@pytest.fixture
def orders(cast: Cast) -> str:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    return f"{base(cast.acme)}/apis/orders/"


def test_what_was_read_is_not_sent_again_while_it_is_the_same(cast: Cast, rest: Rest, orders: str) -> None:
    pam = rest(cast.pam)
    read = pam.get(orders)
    again = pam.get(orders, headers={"If-None-Match": read["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", read["ETag"])
    pam.patch(orders, {"name": "All orders"})
    changed = pam.get(orders, headers={"If-None-Match": read["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"] != read["ETag"]


def test_a_list_has_none(cast: Cast, rest: Rest, orders: str) -> None:
    assert "ETag" not in rest(cast.pam).get(f"{base(cast.acme)}/apis/")


def test_what_somebody_else_has_changed_meanwhile_is_not_changed(cast: Cast, rest: Rest, orders: str) -> None:
    pam, ada = rest(cast.pam), rest(cast.ada)
    read = pam.get(orders)["ETag"]
    ada.patch(orders, {"name": "Ada's orders"})
    stale = pam.patch(orders, {"name": "Pam's orders"}, headers={"If-Match": read})
    assert (stale.status_code, stale.json()["detail"]) == (412, CHANGED)
    with tenant_scope(cast.acme.pk):
        assert Api.objects.get().name == "Ada's orders"
    assert pam.patch(orders, {"name": "Pam's orders"}, headers={"If-Match": pam.get(orders)["ETag"]}).status_code == 200


@pytest.mark.parametrize("wanted", ["*", '"0", {tag}', "{tag}"])
def test_any_of_several_tags_will_do(cast: Cast, rest: Rest, orders: str, wanted: str) -> None:
    pam = rest(cast.pam)
    tag = pam.get(orders)["ETag"]
    assert pam.patch(orders, {"name": "Orders 2"}, headers={"If-Match": wanted.format(tag=tag)}).status_code == 200


@pytest.mark.parametrize("wanted", ["", "nonsense", '"0"', "W/{tag}"])
def test_what_is_no_tag_of_it_is_refused(cast: Cast, rest: Rest, orders: str, wanted: str) -> None:
    pam = rest(cast.pam)
    tag = pam.get(orders)["ETag"]
    assert pam.patch(orders, {"name": "Orders 2"}, headers={"If-Match": wanted.format(tag=tag)}).status_code == 412


@pytest.mark.parametrize(("path", "body"), [("versions/v1/block/", {"reason": "A test."}), ("versions/", {"name": "v2"})])
def test_where_no_one_thing_can_be_read_it_is_said(cast: Cast, rest: Rest, orders: str, path: str, body: dict[str, str]) -> None:
    refused = rest(cast.pam).post(f"{orders}{path}", body, headers={"If-Match": '"0"'})
    assert (refused.status_code, refused.json()["detail"]) == (412, "What stands at this address has no ETag. Leave If-Match out.")


def test_who_reads_it_indented_has_the_same_tag(cast: Cast, rest: Rest, orders: str) -> None:
    pam = rest(cast.pam)
    indented, plain = pam.get(orders, headers={"Accept": "application/json; indent=4"}), pam.get(orders)
    assert (indented["ETag"], indented.json()) == (plain["ETag"], plain.json())
    assert indented.content != plain.content


@pytest.mark.django_db(transaction=True)
def test_of_two_that_change_what_both_have_read_one_is_told(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    path = f"{base(cast.acme)}/apis/orders/"
    clients = [rest(cast.pam), rest(cast.ada)]
    tags = [each.get(path)["ETag"] for each in clients]
    assert tags[0] == tags[1]
    answers: list[Any] = []

    def change(number: int) -> None:
        try:
            answers.append(clients[number].patch(path, {"name": f"Orders {number}"}, headers={"If-Match": tags[number]}))
        finally:
            connection.close()

    threads = [threading.Thread(target=change, args=[number]) for number in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(each.status_code for each in answers) == [200, 412]
    with tenant_scope(cast.acme.pk):
        assert Event.objects.filter(kind="api.changed").count() == 1


def changeable() -> list[tuple[str, str]]:
    """Where one reads what one changes."""
    found = []
    for name, path, _ in ADDRESSES:
        view = getattr(VIEWS[path], "cls", None)
        if path.startswith("/api/") and view is not None and hasattr(view, "get") and {"put", "patch", "delete"} & set(dir(view)):
            found.append((name, path))
    return found


@pytest.mark.parametrize("name,path", changeable())  # fmt: skip
def test_what_nobody_changes_keeps_its_tag(db: None, world: World, rest: Rest, name: str, path: str) -> None:
    """Else nobody could ever change it with one."""
    globex = world.cast.globex
    there = address(path, globex.slug, world.ids[globex.pk])
    first, second = (answer(rest(world.cast.eve), "GET", there) for _ in range(2))
    assert first[0] in {200, 404}, first
    assert first[2].get("ETag") == second[2].get("ETag")
    if first[0] == 200 and '"results"' not in first[1]:
        assert first[2]["ETag"]
