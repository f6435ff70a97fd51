"""Ada adds a domain on its page, reads what proves it, puts a certificate and removes it; nobody else does."""

import pytest
from django.conf import settings
from django.test import Client

from gateway import domains
from gateway.models import Domain
from tenants.models import HostName
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries
from tests.gateway.test_domains import NAME, issued
from tests.portal.pages.test_console import signed_in, text

HERE = "/t/acme/console/settings/domains/"


@pytest.fixture
def ada(in_acme: Cast) -> Client:
    return signed_in(in_acme.ada)


def test_an_empty_list_says_what_to_do(ada: Client) -> None:
    assert "No domain yet" in text(ada.get(HERE))


def test_from_the_first_form_to_the_end(ada: Client) -> None:
    added = ada.post(f"{HERE}new/", {"name": "API.Acme.example"}, follow=True)
    domain = Domain.objects.get()
    shown = text(added)
    for said in (NAME, f"_portico.{NAME}", domain.record_says, "Waits for its proof", "No certificate yet"):
        assert said in shown
    with queries("page:console-settings-domains"):
        assert "Waits for its proof" in text(ada.get(HERE))
    one = f"{HERE}{domain.pk}/"
    with queries("page:console-settings-domain"):
        assert ada.get(one).status_code == 200
    assert "Portico asks DNS" in ada.post(f"{one}check/", follow=True).content.decode()
    pair = issued(NAME)
    done = ada.post(f"{one}certificate/", {"certificate": pair.certificate, "key": pair.key}, follow=True)
    assert pair.fingerprint in text(done)
    assert "PRIVATE KEY" not in done.content.decode()
    assert "is removed" in ada.post(f"{one}remove/", follow=True).content.decode()
    assert not Domain.objects.exists()
    assert not HostName.objects.exists()


def test_what_was_typed_stays_but_for_the_key(ada: Client) -> None:
    domain = make.domain(NAME)
    wrong = issued("other.example")
    answer = ada.post(f"{HERE}{domain.pk}/certificate/", {"certificate": wrong.certificate, "key": wrong.key})
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert "not for api.acme.example" in shown
    assert wrong.certificate.splitlines()[3] in shown
    assert wrong.key.splitlines()[1] not in shown
    again = ada.post(f"{HERE}new/", {"name": "https://x"})
    assert (again.status_code, "https://x" in again.content.decode()) == (422, True)


def test_nobody_else(cast: Cast, in_acme: Cast) -> None:
    domain = make.domain(NAME)
    for path in ("", "new/", f"{domain.pk}/", f"{domain.pk}/certificate/", f"{domain.pk}/remove/", f"{domain.pk}/check/"):
        for somebody, status in ((cast.eve, 404), (cast.carl, 403), (cast.pam, 403)):
            assert signed_in(somebody).get(HERE + path).status_code == status
            assert signed_in(somebody).post(HERE + path, {"name": "x.example"}).status_code == status
    assert Domain.objects.count() == 1


def test_callers_are_shown_the_own_address_once_it_is_served(ada: Client, in_acme: Cast) -> None:
    make.api("orders")
    page = "/t/acme/apis/orders/"
    domain = make.domain(NAME)
    assert f"{settings.GATEWAY_URL}/acme/orders/v1" in ada.get(page).content.decode()
    pair = issued(NAME)
    domains.put_certificate(domain, certificate=pair.certificate, key=pair.key, by=in_acme.ada)
    shown = ada.get(page)
    here = f"https://{NAME}:{settings.GATEWAY_TLS_PUBLIC_PORT}"
    assert f"{here}/orders/v1" in shown.content.decode()
    assert f"{settings.GATEWAY_URL}/acme/orders/v1" not in shown.content.decode()
    # A page from which it can be tried may reach it, and nothing else.
    document = ada.get("/t/acme/apis/orders/v1/openapi.json").json()
    assert document["servers"][0]["url"] == f"{here}/orders/v1"


def test_another_tenants_address_is_never_shown(cast: Cast, in_acme: Cast) -> None:
    make.api("orders")
    with tenant_scope(cast.globex.pk):
        pair, domain = issued(NAME), make.domain(NAME)
        domains.put_certificate(domain, certificate=pair.certificate, key=pair.key, by=cast.eve)
    assert NAME not in signed_in(cast.ada).get("/t/acme/apis/orders/").content.decode()
