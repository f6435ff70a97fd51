"""Categories and tags: Ada keeps the list of categories, Pam says where an API stands."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from apis.actions.catalogue import change_categories, place, tags_of
from apis.models import Api, Category
from tenants.errors import Invalid
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries
from tests.portal.pages.test_catalogue import HOSTILE, browser, text, tiles

SETTINGS = "/t/acme/console/settings/categories/"
PLACE = "/t/acme/console/apis/orders/catalogue/"


def names() -> list[str]:
    return [each.name for each in Category.objects.for_list()]


def last_event() -> tuple[str, dict[str, object], dict[str, object]]:
    event = Event.objects.order_by("-number")[0]
    return event.kind, event.data["was"], event.data["now"]


@pytest.fixture
def commerce(in_acme: Cast) -> Category:
    change_categories({}, new=["Commerce"], by=in_acme.ada)
    return Category.objects.get()


@pytest.fixture
def orders(in_acme: Cast) -> Api:
    return make.api("orders")


def test_categories_are_added_renamed_and_taken_away_at_once(in_acme: Cast, orders: Api, commerce: Category) -> None:
    change_categories({commerce.pk: "Sales"}, new=["Data"], by=in_acme.ada)
    assert last_event() == ("categories.changed", {"categories": ["Commerce"]}, {"categories": ["Data", "Sales"]})
    data, sales = Category.objects.for_list()
    place(orders, category=sales, by=in_acme.pam)
    # They change their names for one another's, and stay what they are.
    change_categories({data.pk: "Sales", sales.pk: "Data"}, by=in_acme.ada)
    orders.refresh_from_db()
    assert str(orders.category) == "Data"
    change_categories({data.pk: "Sales"}, by=in_acme.ada)
    orders.refresh_from_db()
    assert (orders.category, names()) == (None, ["Sales"])
    many = Event.objects.count()
    assert change_categories({data.pk: "Sales"}, by=in_acme.ada) is None
    assert Event.objects.count() == many


@pytest.mark.parametrize(
    "new,said",
    [
        (["commerce"], "There is a category “Commerce” already."),
        ([" "], "Each category needs a name."),
        (["x" * 41], "is too long for a category."),
        ([f"C{number}" for number in range(30)], "30 categories are the most."),
    ],
)
def test_what_can_be_no_category_is_told(in_acme: Cast, commerce: Category, new: list[str], said: str) -> None:
    with pytest.raises(Invalid) as refused:
        change_categories({commerce.pk: "Commerce"}, new=new, by=in_acme.ada)
    assert said in str(refused.value.problems)
    assert names() == ["Commerce"]


def test_tags_are_lower_case_and_each_there_once() -> None:
    assert tags_of([" Personal  Data", "pci", "PCI", "", "个人"]) == ["personal data", "pci", "个人"]
    for wrong, said in ((["x" * 31], "too long"), ([f"t{number}" for number in range(11)], "10 tags are the most")):
        with pytest.raises(Invalid, match=said):
            tags_of(wrong)


def test_a_change_of_place_is_an_event_and_none_is_none(in_acme: Cast, orders: Api, commerce: Category) -> None:
    place(orders, category=commerce, tags=["PCI"], by=in_acme.pam)
    assert last_event() == ("api.placed", {"category": None, "tags": []}, {"category": "Commerce", "tags": ["pci"]})
    assert place(orders, category=commerce, by=in_acme.pam) is None
    place(orders, category="", by=in_acme.pam)
    assert last_event() == ("api.placed", {"category": "Commerce"}, {"category": None})


def test_no_api_stands_in_another_tenants_category(in_acme: Cast, orders: Api) -> None:
    with tenant_scope(in_acme.globex.pk):
        change_categories({}, new=["Theirs"], by=in_acme.eve)
        theirs = Category.objects.get()
    with pytest.raises(Invalid):
        place(orders, category=theirs, by=in_acme.pam)
    with pytest.raises(Invalid):
        change_categories({theirs.pk: "Mine"}, by=in_acme.ada)
    with pytest.raises(IntegrityError), transaction.atomic():
        Api.objects.filter(pk=orders.pk).update(category=theirs)
        connection.check_constraints()


# The pages


def test_ada_keeps_the_categories_on_one_page(in_acme: Cast, orders: Api, commerce: Category) -> None:
    place(orders, category=commerce, by=in_acme.pam)
    ada = browser(in_acme.ada)
    assert SETTINGS in ada.get("/t/acme/console/settings/").content.decode()
    assert "Commerce" in ada.get(SETTINGS).content.decode()
    answer = ada.post(SETTINGS, {str(commerce.pk): "Trade", "new": f"Data\n\n{HOSTILE[:39]}"})
    assert answer.status_code == 302
    assert names() == [HOSTILE[:39], "Data", "Trade"]
    assert HOSTILE[:20] not in ada.get(SETTINGS).content.decode()
    refused = ada.post(SETTINGS, {str(commerce.pk): "Trade", "new": "trade"})
    assert refused.status_code == 422
    assert "There is a category “Trade” already." in text(refused)
    assert ">\ntrade</textarea>" in refused.content.decode()
    # What was not sent stays; what was emptied goes.
    ada.post(SETTINGS, {"new": "More"})
    assert "Trade" in names()
    ada.post(SETTINGS, {str(commerce.pk): " ", "new": ""})
    assert "Trade" not in names()
    assert ada.post(SETTINGS, {"new": ""}).status_code == 302


def test_pam_says_where_an_api_stands(in_acme: Cast, orders: Api, commerce: Category) -> None:
    pam = browser(in_acme.pam)
    assert PLACE in pam.get("/t/acme/console/apis/orders/").content.decode()
    assert pam.post(PLACE, {"category": str(commerce.pk), "tags": "PCI, personal data\uff0c新"}).status_code == 302
    orders.refresh_from_db()
    assert (orders.category, orders.tags) == (commerce, ["pci", "personal data", "新"])
    body = pam.get(PLACE).content.decode()
    assert 'value="pci, personal data, 新"' in body
    assert f'<option value="{commerce.pk}" selected>Commerce</option>' in body
    refused = pam.post(PLACE, {"category": "nothing", "tags": "x" * 31})
    assert refused.status_code == 422
    assert "Choose one of these categories." in text(refused)
    assert "x" * 31 in refused.content.decode()
    too_long = pam.post(PLACE, {"category": "", "tags": "x" * 31})
    assert "is too long for a tag." in text(too_long)


def test_who_may_not_finds_no_way(in_acme: Cast, orders: Api) -> None:
    for person, page, status in (
        (in_acme.eve, SETTINGS, 404), (in_acme.eve, PLACE, 404), (in_acme.pam, SETTINGS, 403), (in_acme.carl, PLACE, 403),
    ):  # fmt: skip
        assert browser(person).post(page, {"new": "Evil", "tags": "evil"}).status_code == status
    assert (names(), Api.objects.get().tags) == ([], [])


def test_carl_narrows_the_catalogue_by_category_and_tag(in_acme: Cast, orders: Api, commerce: Category) -> None:
    place(orders, category=commerce, tags=["pci"], by=in_acme.pam)
    place(make.api("payments"), category=commerce, tags=["pci", "money"], by=in_acme.pam)
    make.api("stock")
    place(make.api("draft", published=False), tags=["secret"], by=in_acme.pam)
    carl = browser(in_acme.carl)
    page = carl.get("/t/acme/")
    assert "Commerce 2" in text(page)
    assert "pci 2" in text(page)
    assert "secret" not in text(page)
    assert tiles(page)["payments"].endswith("Commerce pci money")
    for query, slugs in (
        ({"category": str(commerce.pk)}, {"orders", "payments"}), ({"tag": "money"}, {"payments"}), ({"tag": "secret"}, set()),
        ({"category": str(commerce.pk), "tag": "pci", "q": "orders"}, {"orders", "payments"}), ({"category": "x'"}, set()),
        ({"q": "money"}, {"payments"}), ({"tag": ""}, {"orders", "payments", "stock"}),
    ):  # fmt: skip
        assert set(tiles(carl.get("/t/acme/", query))) == slugs, query
    assert 'href="?q=orders&amp;tag=money"' in carl.get("/t/acme/", {"q": "orders", "tag": "pci", "before": "x"}).content.decode()
    assert "Show all" in text(carl.get("/t/acme/", {"tag": "nothing"}))


def test_the_pages_make_the_same_queries_however_many_there_are(in_acme: Cast, orders: Api) -> None:
    change_categories({}, new=[f"C{number}" for number in range(9)], by=in_acme.ada)
    ada = browser(in_acme.ada)
    ada.get(SETTINGS)
    with queries("page:console-settings-categories"):
        assert ada.get(SETTINGS).status_code == 200
    pam = browser(in_acme.pam)
    with queries("page:console-api-placing"):
        assert pam.get(PLACE).status_code == 200


# REST


def test_the_same_over_rest(in_acme: Cast, orders: Api, rest: Rest) -> None:
    there = base(in_acme.acme)
    made = rest(in_acme.ada).put(f"{there}/categories/", {"categories": [{"name": "Data"}, {"name": "Commerce"}]}, format="json")
    assert [each["name"] for each in made.json()["categories"]] == ["Commerce", "Data"]
    commerce = made.json()["categories"][0]["id"]
    changed = rest(in_acme.pam).patch(f"{there}/apis/orders/", {"category": commerce, "tags": ["PCI"]}, format="json")
    assert (changed.status_code, changed.json()["category"], changed.json()["tags"]) == (200, "Commerce", ["pci"])
    carl = rest(in_acme.carl)
    make.api("stock")
    for query, slugs in (({"category": commerce}, ["orders"]), ({"tag": "pci"}, ["orders"]), ({"tag": "x"}, [])):
        assert [each["slug"] for each in carl.get(f"{there}/apis/", query).json()["results"]] == slugs
    assert carl.get(f"{there}/apis/", {"category": "x"}).status_code == 422
    assert carl.get(f"{there}/categories/").json() == made.json()
    assert carl.put(f"{there}/categories/", {"categories": []}, format="json").status_code == 403
    unknown = rest(in_acme.pam).patch(f"{there}/apis/orders/", {"category": str(orders.pk)}, format="json")
    assert unknown.status_code == 422
    emptied = rest(in_acme.pam).patch(f"{there}/apis/orders/", {"category": None}, format="json")
    assert emptied.json()["category"] is None
    assert rest(in_acme.eve).get(f"{there}/categories/").status_code == 404


def test_eve_narrows_by_nothing_of_acmes(in_acme: Cast, orders: Api, commerce: Category) -> None:
    place(orders, category=commerce, tags=["pci"], by=in_acme.pam)
    eve = Client()
    eve.force_login(in_acme.eve)
    assert "pci" not in text(eve.get("/t/globex/", {"category": str(commerce.pk), "tag": "pci"}))
    assert eve.get("/t/acme/", {"tag": "pci"}).status_code == 404
