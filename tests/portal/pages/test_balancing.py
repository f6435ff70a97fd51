"""Pam types further targets of an upstream, and how their health is checked."""

import pytest
from django.test import Client

from apis.actions import publishing
from apis.models import Api, Draft, Revision
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.portal.pages.test_revisions import NEW
from tests.portal.pages.test_wizard import PLAN, TERMS, UPSTREAM

FORM = {
    "upstream": "http://127.0.0.1:9",
    "connect_timeout_ms": "5000",
    "timeout_ms": "30000",
    "further_targets": "127.0.0.2 20\r\n\r\n127.0.0.3:10 0",
    "weight": "80",
    "health_path": "/healthz",
}


def newest(cast: Cast) -> Revision:
    with tenant_scope(cast.acme.pk):
        return Revision.objects.select_related("upstream").latest("number")


def test_pam_types_targets_a_line_each(cast: Cast, pam: Client, orders: Api) -> None:
    made = pam.post(NEW, FORM)
    assert made.status_code == 302, made.content
    upstream = newest(cast).upstream
    assert upstream is not None
    assert upstream.balances.as_json() == {
        "weight": 80,
        "further": [{"host": "127.0.0.2", "port": 9, "weight": 20}, {"host": "127.0.0.3", "port": 10, "weight": 0}],
        "check": {"path": "/healthz", "interval": 10, "timeout_ms": 2_000, "failures": 3, "successes": 2, "status": "200-299"},
    }
    page = pam.get(made["Location"]).content.decode()
    for said in ("127.0.0.2:9", "weight 20", "weight of 80", "GET /healthz", "200-299 within 2000 ms, every 10 s", "Calls are shared by"):
        assert said in page, said
    with tenant_scope(cast.acme.pk):
        publishing.make_live(newest(cast), by=cast.pam)
    again = pam.get(NEW).content.decode()
    assert "127.0.0.2:9 20\n127.0.0.3:10 0</textarea>" in again, "the next revision begins with them"


def test_a_form_without_them_is_as_it_was(cast: Cast, pam: Client, orders: Api) -> None:
    left_empty = {**FORM, "further_targets": "", "weight": "", "health_path": "", "health_interval": "", "health_status": ""}
    for form in left_empty, {name: FORM[name] for name in ("upstream", "connect_timeout_ms", "timeout_ms")}:
        assert pam.post(NEW, form).status_code == 302
        upstream = newest(cast).upstream
        assert upstream is not None
        assert (upstream.balancing, upstream.further_addresses) == ({}, [])


@pytest.mark.parametrize(
    "field,value,sentence",
    [
        ("further_targets", "127.0.0.2\nhttp://b", "Line 2: “http://b” is no target; write for example b.example.com:8443 20"),
        ("further_targets", "10.0.0.1", "“10.0.0.1” resolves to 10.0.0.1, which is not a public address."),
        ("further_targets", "127.0.0.1:9", "127.0.0.1:9 stands here twice"),
        ("weight", "many", "Give a whole number."),
        ("weight", "101", "Give a number from 0 to 100."),
        ("health_path", "healthz", "“healthz” is no path to check"),
        ("health_status", "404", "“404” is no status of an answer that is well"),
        ("health_interval", "1", "Give a number from 5 to 300."),
    ],
)
def test_what_cannot_be_comes_back_with_all_that_was_typed(
    cast: Cast, pam: Client, orders: Api, field: str, value: str, sentence: str
) -> None:
    answer = pam.post(NEW, {**FORM, field: value})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in page
    assert '<details class="fold" open>\n  <summary>' in page
    for typed in ({**FORM, field: value}).values():
        assert typed.replace("\r\n", "\n") in page.replace("\r\n", "\n"), typed
    assert newest(cast).number == 1


def test_a_draft_keeps_them_until_it_is_published(cast: Cast, pam: Client) -> None:
    with tenant_scope(cast.acme.pk):
        make.draft(cast.pam)
    assert pam.post(UPSTREAM, FORM).status_code == 302
    assert "127.0.0.2:9 20\n127.0.0.3:10 0</textarea>" in pam.get(UPSTREAM).content.decode()
    with tenant_scope(cast.acme.pk):
        seen = Draft.objects.get().changed_at.isoformat()
    published = pam.post(PLAN, {**TERMS, "seen": seen})
    assert published.status_code == 302, published.content
    upstream = newest(cast).upstream
    assert upstream is not None
    assert [(str(each), each.weight, each.addresses) for each in upstream.balances.further] == [
        ("127.0.0.2:9", 20, ("127.0.0.2",)),
        ("127.0.0.3:10", 0, ()),
    ]
