"""Pam pastes a client certificate and its private key into the pages about an upstream; nobody reads the key there again."""

import json
import re

import pytest
from django.test import Client

from apis.actions import publishing
from apis.models import Api, Draft, Revision, Upstream
from keys.envelope import unseal
from keys.kek import kek
from tenants.models import Event
from tenants.scope import tenant_scope
from tests.conftest import Cast
from tests.pki import Authority, new_key
from tests.portal.pages.test_revisions import CHANGED, NEW
from tests.portal.pages.test_wizard import PLAN, TERMS, UPSTREAM, seen, text, to_the_last_step

ROOT, KEY = Authority(), new_key()
OWN, RENEWED, OTHER = ROOT.issue("Gateways of Acme", key=KEY), ROOT.issue("Renewed", key=KEY), ROOT.issue("Another")
AIM = {"upstream": "https://127.0.0.1:9", "connect_timeout_ms": "5000", "timeout_ms": "30000"}
GIVEN = {**AIM, "client_certificate": OWN.certificate, "client_key": OWN.key}


def tells(page: str) -> bool:
    """Whether a private key stands in it; its last lines are public, and in the certificate."""
    return any(pair.key.splitlines()[1] in page for pair in (OWN, OTHER)) or "PRIVATE KEY--" in page


def key_of(upstream: Upstream) -> str:
    return unseal(upstream.sealed_key, upstream.sealed_key_for, kek()).decode()


def test_a_new_api_gets_it_and_no_page_shows_the_key(cast: Cast, pam: Client) -> None:
    to_the_last_step(pam, GIVEN)
    with tenant_scope(cast.acme.pk):
        assert "PRIVATE" not in Draft.objects.get().sealed_key
    page = text(pam.get(UPSTREAM))
    assert "The private key is kept sealed. Leave its field empty to keep it." in page
    assert OWN.certificate.strip().splitlines()[1] in page
    # Left empty it stays, also with a newer certificate of the same key; another one asks for its own.
    assert pam.post(UPSTREAM, {**GIVEN, "client_key": ""})["Location"] == PLAN
    assert pam.post(UPSTREAM, {**GIVEN, "client_certificate": RENEWED.certificate, "client_key": ""})["Location"] == PLAN
    refused = pam.post(UPSTREAM, {**GIVEN, "client_certificate": OTHER.certificate, "client_key": ""})
    assert (refused.status_code, "Paste the private key of the certificate." in text(refused)) == (422, True)
    assert pam.post(UPSTREAM, {**GIVEN, "client_key": ""})["Location"] == PLAN
    last = pam.get(PLAN)
    published = pam.post(PLAN, {**TERMS, "seen": seen(last)})
    shown = [page, text(refused), text(last), text(pam.get(published["Location"]))]
    assert "Gateways of Acme" in shown[2]
    assert OWN.fingerprint in shown[2]
    assert re.search(r"Gateways of Acme\s+<span class=\"sub\">until", shown[2])
    assert not any(map(tells, shown))
    with tenant_scope(cast.acme.pk):
        assert key_of(Upstream.objects.get()) == OWN.key
        assert not tells(json.dumps(list(Event.objects.values_list("data", flat=True))))


@pytest.mark.parametrize(
    "given,sentence",
    [
        ({"client_key": OTHER.key}, "The private key is not the one of “Gateways of Acme”."),
        ({"client_key": "abc"}, "This is not a private key in PEM. Paste all of it"),
        ({"client_key": "a" * 4_001}, "characters; 4000 are the most."),
        ({"client_certificate": ""}, "Paste the certificate of the private key, too."),
        ({"client_certificate": "abc"}, "This is not a certificate in PEM"),
        ({"client_certificate": OWN.certificate + OWN.key}, "There is a private key among the certificates; it has a field of its own."),
        ({"ca": ROOT.certificate + OWN.key}, "There is a private key among the certificates; it does not belong here."),
        ({"upstream": "http://127.0.0.1:9"}, "Only an address with https:// asks for a certificate; leave this empty."),
        ({"timeout_ms": "x"}, "Give a whole number."),
    ],
)
def test_all_that_was_typed_comes_back_but_the_private_key(cast: Cast, pam: Client, given: dict[str, str], sentence: str) -> None:
    to_the_last_step(pam, AIM)
    told = {**GIVEN, "strip_path": "/typed", **given}
    answer = pam.post(UPSTREAM, told)
    page = text(answer)
    assert answer.status_code == 422
    assert sentence in page
    assert "Paste the private key again: it is never shown." in page
    assert not tells(page)
    for name in ("upstream", "strip_path", "timeout_ms"):
        assert f'value="{told[name]}"' in page
    for name in ("ca", "client_certificate"):
        for line in told.get(name, "").partition("-----BEGIN PRIVATE")[0].splitlines():
            assert line in page
    with tenant_scope(cast.acme.pk):
        assert Draft.objects.get().sealed_key == ""


def test_the_next_revision_keeps_it_for_its_own_host_alone(cast: Cast, pam: Client, orders: Api) -> None:
    assert pam.post(NEW, {**GIVEN, "document": CHANGED}).status_code == 302
    with tenant_scope(cast.acme.pk):
        publishing.make_live(Revision.objects.get(number=2), by=cast.pam)
    page = text(pam.get(NEW))
    assert "Leave it empty to keep the private key as it is." in page
    assert OWN.certificate.strip().splitlines()[1] in page
    assert not tells(page)
    kept = {**GIVEN, "document": CHANGED, "client_key": ""}
    for path in ("", "/base"):
        assert pam.post(NEW, {**kept, "upstream": f"https://127.0.0.1:9{path}"}).status_code == 302
        with tenant_scope(cast.acme.pk):
            assert key_of(Upstream.objects.latest("id")) == OWN.key
    elsewhere = {**kept, "upstream": "https://127.0.0.2:9"}
    refused = pam.post(NEW, elsewhere)
    assert refused.status_code == 422
    assert "The private key was given for 127.0.0.1; paste it again to use it elsewhere." in text(refused)
    assert not tells(text(refused))
    assert pam.post(NEW, {**elsewhere, "client_key": OWN.key}).status_code == 302
    assert pam.post(NEW, {**kept, "client_certificate": ""}).status_code == 302
    with tenant_scope(cast.acme.pk):
        assert Upstream.objects.latest("id").sealed_key == ""


def test_a_revision_tells_the_certificate_and_what_changes_about_it(cast: Cast, pam: Client, orders: Api) -> None:
    made = [pam.post(NEW, {**GIVEN, "document": CHANGED})["Location"]]
    with tenant_scope(cast.acme.pk):
        publishing.make_live(Revision.objects.get(number=2), by=cast.pam)
    other = {"client_certificate": OTHER.certificate, "client_key": OTHER.key}
    made.append(pam.post(NEW, {**GIVEN, **other, "document": CHANGED})["Location"])
    pages = [text(pam.get(at)) for at in made]
    assert f"client certificate {OWN.fingerprint}" in text(pam.get(f"{made[0]}?against=1"))
    assert f"the client certificate {OTHER.fingerprint}; it did with {OWN.fingerprint}." in pages[1]
    assert not any(map(tells, pages))


def test_pam_whose_session_ends_finds_all_again_but_the_private_key(cast: Cast, pam: Client) -> None:
    to_the_last_step(pam, AIM)
    pam.logout()
    pam.post(UPSTREAM, {**GIVEN, "strip_path": "/typed", "ca": ROOT.certificate + OWN.key})
    assert not tells(json.dumps(dict(pam.session)))
    assert "PRIVATE" not in json.dumps(dict(pam.session))
    kept = dict(pam.session)
    pam.force_login(cast.pam)
    session = pam.session
    session.update({name: value for name, value in kept.items() if name not in session})
    session.save()
    page = text(pam.get(UPSTREAM))
    assert 'value="/typed"' in page
    assert OWN.certificate.strip().splitlines()[1] in page
    assert not tells(page)


def test_eve_sees_nothing_of_it(cast: Cast, pam: Client, orders: Api) -> None:
    made, eve = pam.post(NEW, {**GIVEN, "document": CHANGED})["Location"], Client()
    eve.force_login(cast.eve)
    assert eve.get(made).status_code == 404
    assert eve.post(NEW, {**GIVEN, "document": CHANGED}).status_code == 404
    with tenant_scope(cast.globex.pk):
        assert not Upstream.objects.exists()
