"""One field for all: each finds what they may see, and nothing else."""

import re
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from gateway.models import Refusal
from keys.models import Application
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in, text

SEARCH = "/t/acme/search/"
REQUEST = str(uuid4())


@pytest.fixture
def shop(in_acme: Cast) -> Application:
    """Carl's Orders robot, an API Orders in the catalogue and one that is still being made, and a refused call."""
    make.plan(make.api("orders"))
    make.api("orders-draft", published=False)
    found = make.application(in_acme.carl, name="Orders robot")
    make.application(in_acme.ada, name="Orders report")
    Refusal.objects.create(
        application=found, at=timezone.now(), code="TOKEN_EXPIRED", status=401, request_id=REQUEST, method="GET", path="/", gateway="g"
    )
    return found


def found(client: Client, q: str) -> str:
    response = client.get(SEARCH, {"q": q})
    assert response.status_code == 200
    return response.content.decode().partition('id="list"')[2].partition("</main>")[0]


def test_carl_finds_what_is_published_and_what_is_his(in_acme: Cast, shop: Application) -> None:
    html = found(signed_in(in_acme.carl), "ORDERS")
    assert 'href="/t/acme/apis/orders/"' in html
    assert f'href="/t/acme/apps/{shop.pk}/"' in html
    for hidden in ("orders-draft", "Orders report", "People", "/console/"):
        assert hidden not in html
    assert 'href="/t/acme/?q=ORDERS"' in html
    assert 'href="/t/acme/apps/?q=ORDERS"' in html


def test_pam_finds_drafts_but_no_applications(in_acme: Cast, shop: Application) -> None:
    html = found(signed_in(in_acme.pam), "orders")
    assert 'href="/t/acme/console/apis/orders-draft/"' in html
    assert "robot" not in html
    assert 'href="/t/acme/console/apis/?q=orders"' in html


def test_ada_finds_everything_and_everyone(in_acme: Cast, shop: Application) -> None:
    ada = signed_in(in_acme.ada)
    html = found(ada, "orders")
    assert f'href="/t/acme/console/applications/{shop.pk}/"' in html
    assert "Orders report" in html
    assert 'href="/t/acme/console/applications/?q=orders"' in html
    assert 'href="/t/acme/console/members/?q=carl%40acme.example"' in found(ada, "carl")
    assert f"/console/applications/{shop.pk}/" in found(ada, shop.client_id)
    assert f"/console/applications/{shop.pk}/" in found(ada, "carl@acme")


def test_eve_finds_nothing_of_acmes(in_acme: Cast, shop: Application) -> None:
    eve = signed_in(in_acme.eve)
    assert eve.get(SEARCH, {"q": "orders"}).status_code == 404
    for q in ("orders", REQUEST, shop.client_id, "carl"):
        assert "Nothing has this in its name" in text(eve.get("/t/globex/search/", {"q": q}))


def test_a_refused_call_is_found_by_its_request_id(in_acme: Cast, shop: Application) -> None:
    for who in (in_acme.carl, in_acme.ada):
        client = signed_in(who)
        address = f"/t/acme/refused/{REQUEST}/"
        assert f'href="{address}"' in found(client, REQUEST)
        assert "TOKEN_EXPIRED" in text(client.get(address))
    # Pam may see nobody's.
    assert "TOKEN_EXPIRED" not in found(signed_in(in_acme.pam), REQUEST)


@pytest.mark.parametrize("q", ["", "   ", "\n"])
def test_nothing_is_asked_for(in_acme: Cast, shop: Application, q: str) -> None:
    assert "What do you look for?" in text(signed_in(in_acme.ada).get(SEARCH, {"q": q}))


@pytest.mark.parametrize("q", ["nothing of the kind", "%", "a_b", "'; DROP TABLE", "<script>alert(1)</script>", "x" * 10_000, "\ud800"])
def test_nothing_is_found_and_the_field_keeps_the_text(in_acme: Cast, shop: Application, q: str) -> None:
    response = signed_in(in_acme.ada).get(f"{SEARCH}?q=" + "".join(f"%{byte:02x}" for byte in q.encode(errors="surrogatepass")))
    assert response.status_code == 200
    assert "Nothing has this in its name" in text(response)
    html = response.content.decode()
    assert "<script>alert" not in html
    if q.startswith("nothing"):
        assert len(re.findall(rf'name="q"\s+value="{q}"', html)) == 3


def test_ten_of_each_and_the_list_has_the_others(in_acme: Cast) -> None:
    for n in range(12):
        make.application(in_acme.carl, name=f"Robot {n:02}")
    html = found(signed_in(in_acme.carl), "robot")
    assert html.count("Robot ") == 10
    assert "All results" in html


def test_as_many_queries_for_many(in_acme: Cast, shop: Application) -> None:
    client = signed_in(in_acme.ada)
    for _ in range(6):
        make.application(in_acme.carl)
    with queries("page:search"):
        client.get(SEARCH, {"q": "a"})
