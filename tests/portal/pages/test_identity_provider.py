"""The settings of signing in by a provider: naming it, testing it, who is linked, and removing it."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from keys import oidc
from keys.actions.identity_providers import secret_of
from keys.models import Identity, IdentityProvider
from tenants.models import AccountMail, Event, Membership, Role
from tenants.scope import tenant_scope
from tests import hostile_idp, make
from tests.conftest import Cast, queries
from tests.hostile_idp import CLIENT, SECRET, Hostile, Said, told
from tests.portal.pages.test_console import signed_in, text

PAGE = "/t/acme/console/settings/sign-in/"
LINKED = f"{PAGE}linked/"


@pytest.fixture
def idp(settings: Any) -> Iterator[Hostile]:
    settings.UPSTREAM_NETWORKS = ["127.0.0.0/8"]
    with hostile_idp.running() as found:
        yield found


@pytest.fixture
def ada(in_acme: Cast) -> Client:
    return signed_in(in_acme.ada)


def typed(idp: Hostile, **changed: Any) -> dict[str, Any]:
    form = {"issuer": idp.url, "client_id": CLIENT, "client_secret": SECRET, "joins_as": "nobody", "enabled": "on", **changed}
    return {name: value for name, value in form.items() if value is not None}


@pytest.fixture
def named(ada: Client, in_acme: Cast, idp: Hostile) -> Client:
    assert ada.post(PAGE, typed(idp))["Location"] == PAGE
    return ada


def linked(cast: Cast, idp: Hostile, subject: str, user: Any) -> Identity:
    return Identity.objects.create(issuer=idp.url, subject=subject, user=user)


# --- naming -----------------------------------------------------------------------------------------------------------------------------


def test_ada_names_the_provider_and_learns_what_to_register(ada: Client, in_acme: Cast, idp: Hostile) -> None:
    page = ada.get(PAGE)
    assert "http://127.0.0.1:8000/t/acme/sign-in/callback/" in page.content.decode()
    assert "http://127.0.0.1:8000/t/acme/sign-in/<" in page.content.decode()
    assert "Test it" not in text(page), "there is nothing to test yet"
    done = ada.post(PAGE, typed(idp, joins_as="developer"), follow=True)
    assert "The identity provider is saved. Test it next." in done.content.decode()
    found = IdentityProvider.objects.get()
    assert (found.issuer, found.client_id, found.enabled, found.joins_as, secret_of(found)) == (idp.url, CLIENT, True, "developer", SECRET)
    event = Event.objects.get(kind="identity_provider.changed")
    assert event.data["now"] == {"issuer": idp.url, "client_id": CLIENT, "enabled": True, "joins_as": "developer", "client_secret": True}
    assert "Test it" in text(ada.get(PAGE))


def test_what_is_there_stands_in_the_form_but_the_secret(named: Client, idp: Hostile) -> None:
    html = named.get(PAGE).content.decode()
    assert f'value="{idp.url}"' in html
    assert SECRET not in html
    assert "Empty, it stays as it is." in html


def test_an_empty_secret_stays_as_it_is(named: Client, idp: Hostile) -> None:
    named.post(PAGE, typed(idp, client_secret="", enabled=None))
    found = IdentityProvider.objects.get()
    assert (found.enabled, secret_of(found)) == (False, SECRET)
    done = named.post(PAGE, typed(idp, client_secret="", enabled=None), follow=True)
    assert "Nothing was changed" in done.content.decode()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"issuer": ""}, "Fill this in."),
        ({"issuer": "http://login.example.com"}, "The address begins with https://."),
        ({"issuer": "https://login.example.com/?a=b"}, "An issuer has no query"),
        ({"issuer": "login.example.com"}, "Write an address such as"),
        ({"client_id": ""}, "Fill this in."),
        ({"client_secret": ""}, "Fill this in."),
        ({"joins_as": ""}, "Fill this in."),
        ({"joins_as": "admin"}, "Select a valid choice"),
    ],
)
def test_what_can_not_be_used_is_said_beside_its_field(ada: Client, idp: Hostile, wrong: dict[str, str], said: str) -> None:
    answer = ada.post(PAGE, typed(idp, **wrong))
    assert answer.status_code == 422
    assert said in text(answer)
    assert SECRET not in answer.content.decode(), "a secret is typed again"
    assert not IdentityProvider.objects.exists()


def test_another_issuer_needs_its_own_secret(named: Client, idp: Hostile) -> None:
    """Else whoever may write an address here would have the secret sent to it."""
    answer = named.post(PAGE, typed(idp, issuer="https://evil.example", client_secret=""))
    assert answer.status_code == 422
    assert "Write the client secret; another issuer needs its own." in text(answer)
    assert IdentityProvider.objects.get().issuer == idp.url


def test_nobody_becomes_an_admin_by_it(ada: Client) -> None:
    assert 'value="admin"' not in ada.get(PAGE).content.decode()
    assert 'value="developer"' in ada.get(PAGE).content.decode()


# --- testing ----------------------------------------------------------------------------------------------------------------------------


def test_a_test_shows_what_the_provider_says_of_itself(named: Client, idp: Hostile) -> None:
    answer = named.post(f"{PAGE}test/")
    assert "The provider answers" in text(answer)
    for shown in (idp.url, f"{idp.url}/authorize", f"{idp.url}/token", f"{idp.url}/jwks", "/t/acme/sign-in/callback/"):
        assert shown in text(answer)
    assert not {"Authorization", "authorization"} & {name for each in idp.asked for name in each.headers}, "no secret is sent"
    assert [each.path for each in idp.asked] == ["/.well-known/openid-configuration", "/jwks"]


def test_it_asks_each_time(named: Client, idp: Hostile) -> None:
    """Whoever mends something at the provider wants to see whether that was it."""
    oidc.document_of(idp.url)
    idp.document = {"issuer": "https://other.example"}
    answer = named.post(f"{PAGE}test/")
    assert "It can't be used yet" in text(answer)
    assert "The provider calls itself “https://other.example”" in text(answer)


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("/.well-known/openid-configuration", Said(status=404), "answered 404 where /.well-known/openid-configuration should be"),
        ("/.well-known/openid-configuration", Said(b"<html>"), "answered with something that is no JSON object"),
        ("/jwks", told({"keys": []}), "The provider shows no keys."),
        ("/jwks", Said(status=500), "answered 500"),
    ],
)
def test_a_test_says_what_is_wrong(named: Client, idp: Hostile, path: str, answer: Said, said: str) -> None:
    idp.says[path] = answer
    assert said in text(named.post(f"{PAGE}test/"))


def test_a_test_of_none_and_a_look_lead_to_the_form(ada: Client) -> None:
    assert ada.post(f"{PAGE}test/")["Location"] == PAGE
    assert ada.get(f"{PAGE}test/")["Location"] == PAGE
    assert ada.get(f"{PAGE}remove/")["Location"] == PAGE


# --- who is linked ----------------------------------------------------------------------------------------------------------------------


def test_linked_members_are_listed_sought_and_undone(named: Client, in_acme: Cast, idp: Hostile) -> None:
    assert "Nobody is linked yet" in text(named.get(LINKED))
    carls, _pams = linked(in_acme, idp, "carl-1", in_acme.carl), linked(in_acme, idp, "pam-1", in_acme.pam)
    with queries("page:console-settings-sign-in-linked"):
        page = text(named.get(LINKED))
    for shown in ("Carl", "carl-1", "carl@acme.example", "Pam", "pam-1"):
        assert shown in page
    assert "2 members signed in by it before." in text(named.get(PAGE))
    assert "pam-1" not in text(named.get(f"{LINKED}?q=carl"))
    assert "Nobody is called that" in text(named.get(f"{LINKED}?q=nobody"))
    question = named.get(f"{LINKED}{carls.pk}/undo/")
    assert "Undo the link of Carl?" in text(question)
    done = named.post(f"{LINKED}{carls.pk}/undo/", follow=True)
    assert "The link of Carl is undone." in done.content.decode()
    assert list(Identity.objects.values_list("subject", flat=True)) == ["pam-1"]
    event = Event.objects.get(kind="identity.unlinked")
    assert (event.actor_id, event.subject_id, event.data) == (in_acme.ada.pk, in_acme.carl.pk, {"provider": idp.url, "subject": "carl-1"})
    assert AccountMail.objects.get().email == "carl@acme.example"
    assert named.post(f"{LINKED}{carls.pk}/undo/").status_code == 404


def test_eves_link_is_none_of_acmes(named: Client, in_acme: Cast, idp: Hostile) -> None:
    with tenant_scope(in_acme.globex.pk):
        eves = linked(in_acme, idp, "eve-1", in_acme.eve)
    assert "eve-1" not in named.get(LINKED).content.decode()
    for answer in (named.get(f"{LINKED}{eves.pk}/undo/"), named.post(f"{LINKED}{eves.pk}/undo/")):
        assert answer.status_code == 404


# --- removing ---------------------------------------------------------------------------------------------------------------------------


def test_removing_it_says_what_ends_and_ends_it(named: Client, in_acme: Cast, idp: Hostile) -> None:
    linked(in_acme, idp, "carl-1", in_acme.carl)
    question = text(named.get(f"{PAGE}remove/"))
    assert "Nobody signs in by it any more, its sessions end at once" in question
    done = named.post(f"{PAGE}remove/", follow=True)
    assert "The identity provider is removed." in done.content.decode()
    assert not IdentityProvider.objects.exists()
    assert not Identity.objects.exists()
    assert Event.objects.get(kind="identity_provider.removed").data["was"]["issuer"] == idp.url


# --- who may ----------------------------------------------------------------------------------------------------------------------------


def addresses(identity: Identity) -> list[str]:
    return [PAGE, f"{PAGE}remove/", f"{PAGE}test/", LINKED, f"{LINKED}{identity.pk}/undo/"]


def test_to_eve_nothing_is_there_and_to_other_roles_nothing_is_open(named: Client, in_acme: Cast, idp: Hostile) -> None:
    identity = linked(in_acme, idp, "carl-1", in_acme.carl)
    for address in addresses(identity):
        for method in ("get", "post"):
            assert getattr(signed_in(in_acme.eve), method)(address).status_code == 404
            assert getattr(signed_in(in_acme.olga), method)(address).status_code == 404
            for user in (in_acme.pam, in_acme.carl):
                assert getattr(signed_in(user), method)(address).status_code == 403
            assert getattr(Client(), method)(address)["Location"].startswith("/accounts/login/")
    assert Identity.objects.exists()


def test_who_manages_settings_without_all_else_looks_and_changes_nothing(named: Client, in_acme: Cast, idp: Hostile) -> None:
    role = make.custom_role("Keepers", ["settings.manage", "members.manage", "keys.manage"])
    keeper = make.user("keeper@acme.example")
    Membership.objects.create(user=keeper, custom_roles=[role.pk])
    adas, browser = linked(in_acme, idp, "ada-1", in_acme.ada), signed_in(keeper)
    assert browser.get(PAGE).status_code == 200
    answer = browser.post(PAGE, typed(idp, issuer="https://evil.example"))
    assert answer.status_code == 409
    assert "Only who holds every permission here names one." in text(answer)
    assert browser.post(PAGE, typed(idp, client_secret="", enabled=None)).status_code == 409
    assert browser.post(f"{PAGE}remove/").status_code == 409
    undone = browser.post(f"{LINKED}{adas.pk}/undo/")
    assert (undone.status_code, "You don't hold" in text(undone)) == (409, True)
    found = IdentityProvider.objects.get()
    assert (found.issuer, found.enabled, Identity.objects.count()) == (idp.url, True, 1)


def test_a_role_that_who_asks_does_not_hold_is_not_offered(named: Client, in_acme: Cast) -> None:
    role = make.custom_role("Keepers", ["settings.manage", "applications.own"])
    keeper = make.user("keeper@acme.example")
    Membership.objects.create(user=keeper, custom_roles=[role.pk])
    html = signed_in(keeper).get(PAGE).content.decode()
    assert 'value="developer"' in html
    assert f'value="{Role.APPROVER}"' not in html


def test_a_suspended_tenants_provider_is_not_changed(named: Client, in_acme: Cast, idp: Hostile) -> None:
    type(in_acme.acme).objects.filter(pk=in_acme.acme.pk).update(status="suspended", status_why="Unpaid.")
    assert named.post(PAGE, typed(idp, enabled=None)).status_code == 409
    assert IdentityProvider.objects.get().enabled


def test_the_form_makes_so_many_queries(named: Client) -> None:
    with queries("page:console-settings-sign-in"):
        named.get(PAGE)
