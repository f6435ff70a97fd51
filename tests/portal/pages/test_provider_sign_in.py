"""Acme's own identity provider signs its people in: in Acme, and nowhere else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from keys.actions.identities import unlink
from keys.actions.identity_providers import change_provider, remove_provider
from keys.models import Identity
from tenants import events
from tenants.models import AccountMail, Event, Membership, PlatformEvent, Role, TenantSettings, User
from tenants.people import members, tenants
from tenants.scope import tenant_scope
from tests import idp, make
from tests.conftest import Cast, queries
from tests.idp import CLICK, Idp
from tests.portal.account_letters import folder, letters
from tests.portal.pages.test_console import signed_in, text

__all__ = ["folder"]
HERE, CHOOSE = "/t/acme/sign-in/", "/accounts/provider/"


@pytest.fixture(scope="module")
def provider() -> Iterator[Idp]:
    with idp.running() as found:
        found.knows("carl-1", email="carl@acme.example", email_verified=True, name="Carl")
        found.knows("new-1", email="new@acme.example", email_verified=True, name="Nina New")
        found.knows("eve-1", email="eve@globex.example", email_verified=True)
        yield found


@pytest.fixture
def acme(cast: Cast, provider: Idp) -> Cast:
    """Acme's people sign in by the provider; who is no member yet does not come in."""
    idp.names(cast.acme, provider, by=cast.ada)
    return cast


def changed(cast: Cast, **given: Any) -> None:
    with tenant_scope(cast.acme.pk):
        change_provider(given, by=cast.ada)


def events_of(cast: Cast, kind: str) -> list[Event]:
    with tenant_scope(cast.acme.pk):
        return list(Event.objects.filter(kind=kind))


# --- in ---------------------------------------------------------------------------------------------------------------------------------


def test_carl_goes_to_the_provider_and_comes_back_signed_in(acme: Cast, provider: Idp, client: Client, folder: Path) -> None:
    page = client.get(HERE)
    assert "Sign in to Acme" in text(page)
    assert "/t/acme/sign-in/start/" in page.content.decode()
    assert provider.url.removeprefix("http://") in text(page), "where the button leads"
    answer = idp.sign_in(client, "acme", provider, "carl-1")
    assert (answer.status_code, answer["Location"]) == (302, "/t/acme/")
    assert client.get("/t/acme/").status_code == 200
    [linked] = events_of(acme, "identity.linked")
    assert (linked.subject_id, linked.data) == (acme.carl.pk, {"provider": provider.url, "subject": "carl-1"})
    told = PlatformEvent.objects.get(kind="login.succeeded")
    assert (told.actor_id, told.data) == (acme.carl.pk, {"tenant": "acme", "provider": provider.url})
    [letter] = letters(folder)
    assert letter.to == "carl@acme.example"
    assert "The identity provider of Acme signs you in" in letter.text
    assert letter.link == "/t/acme/"


def test_the_second_time_he_is_known_and_nothing_is_linked_or_mailed_again(acme: Cast, provider: Idp) -> None:
    idp.sign_in(Client(), "acme", provider, "carl-1")
    provider.knows("carl-1", email="somebody.else@acme.example", email_verified=False)
    try:
        assert idp.sign_in(Client(), "acme", provider, "carl-1")["Location"] == "/t/acme/"
    finally:
        provider.knows("carl-1", email="carl@acme.example", email_verified=True, name="Carl")
    assert len(events_of(acme, "identity.linked")) == AccountMail.objects.count() == 1


def test_he_goes_on_where_he_was_within_the_tenant(acme: Cast, provider: Idp, client: Client) -> None:
    assert idp.sign_in(client, "acme", provider, "carl-1", onward="/t/acme/apps/?q=1")["Location"] == "/t/acme/apps/?q=1"


@pytest.mark.parametrize("onward", ["https://evil.example/", "//evil.example/", "/t/globex/", "/profile/", "/t/acme", "/\\evil.example"])
def test_and_nowhere_else(acme: Cast, provider: Idp, client: Client, onward: str) -> None:
    assert idp.sign_in(client, "acme", provider, "carl-1", onward=onward)["Location"] == "/t/acme/"


def test_the_address_is_known_in_any_case(acme: Cast, provider: Idp, client: Client) -> None:
    provider.knows("carl-2", email="Carl@ACME.Example", email_verified=True)
    assert idp.sign_in(client, "acme", provider, "carl-2")["Location"] == "/t/acme/"
    with tenant_scope(acme.acme.pk):
        assert Identity.objects.get().user == acme.carl


def test_the_session_lasts_for_half_a_day(acme: Cast, provider: Idp, client: Client) -> None:
    idp.sign_in(client, "acme", provider, "carl-1")
    session = Session.objects.get(session_key=client.session.session_key)
    assert 11 * 3600 < (session.expire_date - timezone.now()).total_seconds() <= 12 * 3600


def test_acme_asks_for_a_second_factor_and_the_provider_is_acmes_own(acme: Cast, provider: Idp, client: Client) -> None:
    with tenant_scope(acme.acme.pk):
        TenantSettings.objects.update(mfa_required=True)
    idp.sign_in(client, "acme", provider, "carl-1")
    assert client.get("/t/acme/").status_code == 200
    assert signed_in(acme.carl).get("/t/acme/").status_code == 302, "by password alone he is led to set one up"


# --- who is no member -------------------------------------------------------------------------------------------------------------------


def test_who_is_no_member_does_not_come_in(acme: Cast, provider: Idp, client: Client) -> None:
    answer = idp.sign_in(client, "acme", provider, "new-1")
    assert answer.status_code == 403
    assert "new@acme.example is no member of Acme. Ask an admin for an invitation." in text(answer)
    assert not User.objects.filter(email="new@acme.example").exists()
    assert client.get("/t/acme/").status_code == 302


def test_or_joins_with_the_role_that_ada_set(acme: Cast, provider: Idp, client: Client) -> None:
    changed(acme, joins_as="developer")
    assert idp.sign_in(client, "acme", provider, "new-1")["Location"] == "/t/acme/"
    nina = User.objects.get(email="new@acme.example")
    assert (nina.name, nina.has_usable_password()) == ("Nina New", False)
    assert not EmailAddress.objects.get(user=nina).verified, "what Acme's provider says of an address counts at Acme"
    with tenant_scope(acme.acme.pk):
        assert Membership.objects.get(user=nina).roles == ["developer"]
    [joined] = events_of(acme, "member.joined")
    assert joined.data == {"roles": ["developer"], "provider": provider.url}


def test_who_has_an_account_elsewhere_is_not_taken(acme: Cast, provider: Idp, client: Client) -> None:
    changed(acme, joins_as="developer")
    answer = idp.sign_in(client, "acme", provider, "eve-1")
    assert answer.status_code == 403
    assert "Sign in with its password, and ask an admin for an invitation." in text(answer)
    with tenant_scope(acme.acme.pk):
        assert not Membership.objects.filter(user=acme.eve).exists()
        assert not Identity.objects.exists()


def test_who_was_removed_does_not_come_back_by_the_provider(acme: Cast, provider: Idp, client: Client) -> None:
    changed(acme, joins_as="developer")
    idp.sign_in(client, "acme", provider, "carl-1")
    with tenant_scope(acme.acme.pk):
        events.lock()
        members.end(Membership.objects.get(user=acme.carl), by=acme.ada)
    assert client.get("/t/acme/").status_code == 404
    answer = idp.sign_in(Client(), "acme", provider, "carl-1")
    assert answer.status_code == 403
    assert "Ask an admin for an invitation" in text(answer)


# --- good for Acme alone ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def carl(acme: Cast, provider: Idp, client: Client) -> Client:
    """Carl, who is at Globex, too, and an operator; signed in by Acme's provider."""
    with tenant_scope(acme.globex.pk):
        Membership.objects.create(user=acme.carl, roles=list(Role))
    User.objects.filter(pk=acme.carl.pk).update(is_staff=True)
    idp.sign_in(client, "acme", provider, "carl-1")
    return client


def test_another_tenant_answers_as_to_a_stranger(carl: Client, acme: Cast) -> None:
    stranger = signed_in(acme.ada)
    for path in ("/t/globex/", "/t/globex/apps/", "/t/globex/console/settings/", "/t/nowhere/"):
        answer, strangers = carl.get(path), stranger.get(path)
        assert answer.status_code == strangers.status_code == 404
    assert signed_in(acme.carl).get("/t/globex/").status_code == 200, "by his password he is in"


def test_nor_is_its_name_told(carl: Client, acme: Cast) -> None:
    assert carl.get("/")["Location"] == "/t/acme/"
    for path in ("/tenants/", "/t/acme/"):
        assert "Globex" not in carl.get(path).content.decode()
    assert "Globex" in signed_in(acme.carl).get("/tenants/").content.decode()


ACCOUNT = [
    "/profile/", "/accounts/password/change/", "/accounts/2fa/", "/accounts/2fa/app/", "/accounts/2fa/passkeys/add/",
    "/accounts/2fa/codes/", "/accounts/2fa/codes/new/", "/accounts/sessions/", "/accounts/sessions/end-others/", "/accounts/confirm/",
    "/tenants/new/", "/t/globex/join/",
]  # fmt: skip


@pytest.mark.parametrize("path", ACCOUNT)
def test_account_pages_ask_for_the_password(carl: Client, path: str) -> None:
    for answer in (carl.get(path), carl.post(path, {"name": "Mallory"})):
        assert answer.status_code == 403
        assert "Sign in with your password to change this." in text(answer)
    assert User.objects.get(email="carl@acme.example").name == "Carl"


def test_operators_pages_are_not_there(carl: Client, acme: Cast) -> None:
    for path in ("/platform/", "/platform/people/", "/platform/settings/"):
        assert carl.get(path).status_code == 404
        assert signed_in(User.objects.get(pk=acme.carl.pk)).get(path).status_code == 200


def test_rest_knows_no_such_session(carl: Client) -> None:
    for path in ("/api/v1/tenants/", "/api/v1/tenants/acme/", "/api/v1/tenants/globex/"):
        assert carl.get(path).status_code == 401


def test_an_invitation_to_another_tenant_is_not_accepted_by_it(carl: Client, acme: Cast) -> None:
    with tenant_scope(acme.globex.pk):
        Membership.objects.filter(user=acme.carl).delete()
        invited = make.invitation("carl@acme.example", by=acme.eve)
        link = f"/t/globex/invitations/{members_link(invited)}/"
    answer = carl.post(link)
    assert answer.status_code == 409
    with tenant_scope(acme.globex.pk):
        assert not Membership.objects.filter(user=acme.carl).exists()


def members_link(invited: Any) -> str:
    from tenants.people.invitations import token_of  # noqa: PLC0415

    return token_of(invited)


def test_with_his_password_he_is_known_everywhere(carl: Client, acme: Cast) -> None:
    acme.carl.set_password("six green lanterns")
    acme.carl.is_staff = True
    acme.carl.save()
    again = Client()
    again.cookies = carl.cookies
    assert again.get("/accounts/login/").status_code == 200, "the way in is open, although a session goes on"
    answer = again.post("/accounts/login/?next=/t/globex/", {"login": "carl@acme.example", "password": "six green lanterns"})
    assert answer["Location"] == "/t/globex/"
    assert again.get("/t/globex/").status_code == 200


def test_a_signed_in_browser_that_goes_to_the_provider_is_only_in_acme_afterwards(acme: Cast, provider: Idp) -> None:
    with tenant_scope(acme.globex.pk):
        Membership.objects.create(user=acme.carl, roles=[Role.DEVELOPER])
    browser = signed_in(acme.carl)
    assert browser.get("/t/globex/").status_code == 200
    assert "That ends, and what begins is good here alone." in text(browser.get(HERE))
    idp.sign_in(browser, "acme", provider, "carl-1")
    assert browser.get("/t/globex/").status_code == 404
    assert browser.get("/t/acme/").status_code == 200


# --- what ends a session ----------------------------------------------------------------------------------------------------------------


def out(client: Client) -> bool:
    answer = client.get("/t/acme/")
    return bool(answer.status_code == 302 and answer["Location"].startswith("/accounts/login/"))


def test_switching_it_off_ends_its_sessions_for_good(carl: Client, acme: Cast) -> None:
    by_password = signed_in(acme.carl)
    changed(acme, enabled=False)
    assert out(carl)
    changed(acme, enabled=True)
    assert out(carl)
    assert by_password.get("/t/acme/").status_code == 200


def test_it_ends_them_even_where_nobody_looked_meanwhile(carl: Client, acme: Cast) -> None:
    changed(acme, enabled=False)
    changed(acme, enabled=True)
    assert out(carl)


def test_another_issuer_ends_them_and_knows_nobody(carl: Client, acme: Cast) -> None:
    changed(acme, issuer="https://other.example", client_secret="another one")
    assert out(carl)
    with tenant_scope(acme.acme.pk):
        assert not Identity.objects.exists()


def test_removing_it_ends_them(carl: Client, acme: Cast) -> None:
    with tenant_scope(acme.acme.pk):
        remove_provider(by=acme.ada)
    assert out(carl)
    assert carl.get(HERE).status_code == 404


def test_undoing_the_link_ends_them(carl: Client, acme: Cast, folder: Path) -> None:
    with tenant_scope(acme.acme.pk):
        unlink(Identity.objects.get(), by=acme.ada)
    assert out(carl)
    assert [letter.subject for letter in letters(folder)][-1] == "A link with an identity provider was undone"


def test_another_role_to_join_with_ends_nothing(carl: Client, acme: Cast) -> None:
    changed(acme, joins_as="developer")
    assert carl.get("/t/acme/").status_code == 200


def test_another_password_ends_them(carl: Client, acme: Cast) -> None:
    acme.carl.set_password("six green lanterns")
    acme.carl.save()
    assert out(carl)


# --- nobody signs in there --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [HERE, f"{HERE}start/", f"{HERE}callback/?code=a&state=b"])
def test_where_nobody_signs_in_by_a_provider_there_is_nothing(cast: Cast, provider: Idp, client: Client, path: str) -> None:
    nowhere = client.get(path.replace("acme", "nowhere"), headers=CLICK)
    assert nowhere.status_code == client.get(path, headers=CLICK).status_code == 404
    idp.names(cast.acme, provider, by=cast.ada, enabled=False)
    assert client.get(path, headers=CLICK).status_code == 404
    changed(cast, enabled=True)
    assert client.get(path, headers=CLICK).status_code != 404
    tenants.suspend(cast.acme, reason="Unpaid.", by=cast.olga)
    assert client.get(path, headers=CLICK).status_code == 404


def test_a_tenant_that_was_suspended_meanwhile_lets_nobody_in(acme: Cast, provider: Idp, client: Client) -> None:
    back = provider.says(idp.sent_to(client, "acme"), "carl-1")
    tenants.suspend(acme.acme, reason="Unpaid.", by=acme.olga)
    assert client.get(back).status_code == 404
    assert out(client)


def test_a_closed_account_stays_closed(acme: Cast, provider: Idp, client: Client) -> None:
    User.objects.filter(pk=acme.carl.pk).update(is_active=False)
    answer = idp.sign_in(client, "acme", provider, "carl-1")
    assert answer.status_code == 403
    assert "This account is closed." in text(answer)


# --- which team -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["acme", " ACME ", "/t/acme/", "https://portal.example/t/acme/apps/"])
def test_the_sign_in_page_leads_to_the_teams_provider(acme: Cast, client: Client, typed: str) -> None:
    page = client.get("/accounts/login/?next=/t/acme/apps/").content.decode()
    assert "/accounts/provider/?next=%2Ft%2Facme%2Fapps%2F" in page
    assert 'value="acme"' in client.get(f"{CHOOSE}?next=/t/acme/apps/").content.decode()
    answer = client.post(f"{CHOOSE}?next=/t/acme/apps/", {"slug": typed})
    assert answer["Location"] == f"{HERE}?next=%2Ft%2Facme%2Fapps%2F"


def test_a_team_without_a_provider_is_answered_like_one_that_is_not_there(acme: Cast, client: Client) -> None:
    answers = [client.post(CHOOSE, {"slug": slug}) for slug in ("globex", "nowhere")]
    assert {answer.status_code for answer in answers} == {422}
    said = {text(answer) for answer in answers}
    assert len(said) == 1
    assert "Nobody signs in there by a provider." in said.pop()


@pytest.mark.parametrize("typed", ["http://[", "://", "/t/", "//", "x" * 201, "a\x00b", "\udc80", "t/t/acme", "%2e%2e", "acme/../globex"])
def test_what_is_no_word_breaks_nothing(acme: Cast, client: Client, typed: str) -> None:
    assert client.post(CHOOSE, {"slug": typed.encode("utf-8", "replace").decode()}).status_code in {302, 422}


def test_a_link_from_elsewhere_begins_nothing(acme: Cast, client: Client) -> None:
    forged = ("https://evil.example/", "http://[", f"{settings_url()}.evil.example/", f"{settings_url()}@evil.example/")
    for headers in ({}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, *({"referer": each} for each in forged)):
        answer = client.get(f"{HERE}start/", headers=headers)
        assert answer["Location"] == HERE
    from_ours = client.get(f"{HERE}start/", headers={"referer": f"{settings_url()}{HERE}"})
    assert from_ours["Location"].startswith("http://127.0.0.1:")


def settings_url() -> str:
    from django.conf import settings  # noqa: PLC0415

    return str(settings.PORTAL_URL)


def test_what_comes_of_the_way_in_is_counted(acme: Cast, provider: Idp, client: Client) -> None:
    idp.sign_in(client, "acme", provider, "carl-1")
    with queries("provider:page by its session"):
        client.get("/t/acme/")
