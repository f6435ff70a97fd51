"""Ada looks after Acme's signing keys: she sees each one's life, rehearses, rotates, gives one up, and changes the policy."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from gateway import rotation
from gateway.models import GatewayNode
from keys.actions import signing
from keys.actions.policies import change_policy
from keys.models import Credential, CredentialUse, SigningKey, TokenPolicy
from tenants import events
from tenants.models import Event, Role
from tests import make
from tests.conftest import Cast, queries
from tests.gateway.test_many_receipts import covers, node
from tests.portal.pages.test_console import signed_in, text

KEYS = "/t/acme/console/keys/"
POLICY = f"{KEYS}policy/"
REHEARSE, ROTATE = f"{KEYS}rehearse/access_token/", f"{KEYS}rotate/access_token/"
Status, Use = SigningKey.Status, SigningKey.Use


@pytest.fixture
def ada(in_acme: Cast) -> Client:
    return signed_in(in_acme.ada)


def key(status: str = Status.ACTIVE, purpose: str = Use.ACCESS_TOKEN) -> SigningKey:
    return SigningKey.objects.filter(purpose=purpose, status=status).latest("created_at")


def short(of: SigningKey) -> str:
    return f"{of.kid[:4]}…{of.kid[-4:]}"


def announce(purpose: str = Use.ACCESS_TOKEN, *, days: int = 3) -> SigningKey:
    events.lock()
    active = key(purpose=purpose)
    new = signing.spare(active.owning_tenant, purpose, TokenPolicy.objects.get().algorithm)
    return signing.announce(new, planned_for=events.now() + timedelta(days=days), by=None)


def rotate(times: int = 1, purpose: str = Use.ACCESS_TOKEN) -> None:
    for _ in range(times):
        signing.activate(announce(purpose), by=None)


def let_leave(*keys: SigningKey) -> None:
    """Their time has passed, and the job comes by."""
    SigningKey.objects.filter(pk__in=[each.pk for each in keys]).update(remove_at=timezone.now() - timedelta(minutes=1))
    rotation.advance(keys[0].owning_tenant)


def uses_tokens(cast: Cast, *, calls: int) -> Credential:
    credential, _ = make.credential(make.application(cast.carl, name="Checkout"))
    now = timezone.now()
    CredentialUse.objects.create(credential=credential, day=now.date(), tokens=1, calls=calls, first_at=now, last_at=now)
    return credential


def as_it_stands(**changed: Any) -> dict[str, Any]:
    """What the policy's form sends."""
    return {
        "algorithm": "ES256", "rotation": "30", "rotation_unit": "days", "token_lifetime": "10", "token_lifetime_unit": "minutes",
        "overlap": "1", "overlap_unit": "hours", "jwks_max_age": "5", "jwks_max_age_unit": "minutes", "api_key_days": "365", **changed,
    }  # fmt: skip


# Who


def test_admins_and_auditors_see_them_and_only_admins_change_them(in_acme: Cast) -> None:
    auditor = make.member(in_acme.acme, "ugo@acme.example", Role.AUDITOR)
    one = f"{KEYS}{key().pk}/"
    for address, seen in ((KEYS, 200), (one, 200), (POLICY, 403), (REHEARSE, 403), (ROTATE, 403), (f"{one}compromise/", 403)):
        everybody = ((in_acme.ada, 200), (auditor, seen), (in_acme.pam, 403), (in_acme.carl, 403), (in_acme.eve, 404), (in_acme.olga, 404))
        for user, status in everybody:
            assert signed_in(user).get(address).status_code == status, (address, user)
    for address in (POLICY, REHEARSE, ROTATE, f"{one}compromise/"):
        for user, status in ((auditor, 403), (in_acme.carl, 403), (in_acme.eve, 404)):
            assert signed_in(user).post(address, {"reason": "x"}).status_code == status, (address, user)
    assert not Event.objects.filter(kind="signing_key.compromised").exists()
    assert SigningKey.objects.count() == 2


def test_an_auditor_is_shown_no_button(in_acme: Cast) -> None:
    said = text(signed_in(make.member(in_acme.acme, "ugo@acme.example", Role.AUDITOR)).get(KEYS))
    assert short(key()) in said
    assert not re.search("Compromised|Rotate|Rehearse|Change", said)


def test_eves_keys_are_not_found_at_acme_nor_acmes_at_globex(in_acme: Cast) -> None:
    eve = signed_in(in_acme.eve)
    for address in (f"{key().pk}/", f"{key().pk}/compromise/"):
        assert eve.get(f"/t/globex/console/keys/{address}").status_code == 404
        assert eve.post(f"/t/globex/console/keys/{address}", {"reason": "x"}).status_code in {404, 405}
    assert key().kid not in eve.get("/t/globex/console/keys/").content.decode()


def test_the_rail_leads_there(in_acme: Cast) -> None:
    assert f'href="{KEYS}"' in signed_in(in_acme.ada).get("/t/acme/").content.decode()
    assert f'href="{KEYS}"' not in signed_in(in_acme.carl).get("/t/acme/").content.decode()


# The list, and one key


def test_what_signs_what_comes_what_is_trusted_still_and_what_is_gone(ada: Client, in_acme: Cast) -> None:
    rotate()
    retired = key(Status.RETIRED)
    rotate()
    let_leave(retired)
    announced = announce()
    said = text(ada.get(KEYS))
    tokens, _, api_keys = said.partition("API keys a new key every 30 days")
    order = [
        "Signs now",
        short(key()),
        "Comes next",
        short(announced),
        "Trusted still",
        short(key(Status.RETIRED)),
        "no more",
        short(retired),
    ]
    assert [tokens.find(each) for each in order] == sorted(tokens.find(each) for each in order)
    assert -1 not in [tokens.find(each) for each in order]
    assert f"{short(announced)} {announced.kid} Announced ES256" in tokens
    assert "Will sign" in tokens
    assert "in 3 days" in tokens
    assert "The next key is not made yet. It will sign in 4 weeks" in api_keys


def test_an_announced_key_says_which_gateways_it_waits_for(ada: Client, in_acme: Cast) -> None:
    slow, quick = node("slow"), node("quick")
    announced = announce()
    covers(quick, announced.published_event or 0, announced.published_event or 0)
    said = text(ada.get(KEYS))
    assert "It waits for slow" in said
    assert "quick" not in said
    covers(slow, announced.published_event or 0, announced.published_event or 0)
    assert "Every live gateway knows it" in text(ada.get(KEYS))


def test_the_whole_thumbprint_is_there_to_be_copied(ada: Client) -> None:
    page = ada.get(KEYS).content.decode()
    assert f'<span id="kid-{key().pk}" hidden>{key().kid}</span>' in page
    assert f'data-copy="kid-{key().pk}"' in page
    assert "/t/acme/.well-known/jwks.json" in page
    assert "/.well-known/oauth-authorization-server/t/acme" in page


def test_the_policy_in_words(ada: Client) -> None:
    said = text(ada.get(KEYS))
    assert "A new key every 30 days Tokens live 10 minutes A retired key is trusted 1 hour at least" in said
    assert "The JWKS is kept 5 minutes at most API keys live 365 days at most" in said


def test_times_are_in_the_readers_zone(ada: Client, in_acme: Cast) -> None:
    in_acme.ada.time_zone = "Pacific/Auckland"
    in_acme.ada.save()
    SigningKey.objects.filter(pk=key().pk).update(published_at="2025-03-01T12:30:00Z", activated_at="2025-03-01T12:30:00Z")
    assert "2 Mar 2025 01:30" in text(ada.get(f"{KEYS}{key().pk}/"))


def test_the_life_of_one_key(ada: Client, in_acme: Cast) -> None:
    first = key()
    rotate()
    signing.compromise(SigningKey.objects.get(pk=first.pk), by=in_acme.ada, reason="Found in a log.")
    said = text(ada.get(f"{KEYS}{first.pk}/"))
    for words in ("Compromised", "Announced", "Signed from", "Retired", first.kid, "It was given up", "Found in a log."):
        assert words in said
    assert "Will leave" not in said
    assert re.search(r"declared the signing key .* compromised.*signs no more.*began to sign.*was announced", said)
    assert "Its life" in text(ada.get(f"{KEYS}{key().pk}/"))


def test_a_key_without_a_gateway_says_when_it_is_loaded(ada: Client) -> None:
    assert "No gateway is known yet" in text(ada.get(f"{KEYS}{key().pk}/"))


def test_only_some_of_many_old_keys_are_named(ada: Client) -> None:
    rotate(14)
    said = text(ada.get(KEYS))
    assert "And 4 older ones." in said
    let_leave(*SigningKey.objects.filter(status=Status.RETIRED))
    said = text(ada.get(KEYS))
    assert "Trusted still" not in said
    assert "And 4 older ones." in said


# Rehearsing and rotating


def test_a_rehearsal_says_go_and_what_works_with_the_key_that_signs(ada: Client, in_acme: Cast) -> None:
    uses_tokens(in_acme, calls=7)
    before = key()
    assert "signs once, for nobody" in text(ada.get(REHEARSE))
    said = text(ada.post(REHEARSE))
    assert "> Go every gateway takes the next key" in said
    assert "No gateway is connected" in said
    assert "Checkout carl@acme.example 7 just now" in said
    assert key() == before
    assert short(key(Status.PUBLISHED)) in said
    assert "Last rehearsal Go" in text(ada.get(KEYS))


def test_a_rehearsal_that_fails_says_why(ada: Client, in_acme: Cast) -> None:
    node("gateway-1")
    node("away", connected=False)
    GatewayNode.objects.filter(name="gateway-1").update(address="http://127.0.0.1:9")
    said = text(ada.post(REHEARSE))
    assert "> No-go not every gateway takes the next key" in said
    assert "gateway-1 has not acknowledged the key." in said
    assert "gateway-1 could not be called." in said
    assert "gateway-1 did not answer" in said
    assert "away Not connected" in said
    assert "Last rehearsal No-go" in text(ada.get(KEYS))


def test_rotating_asks_first_and_says_from_when(ada: Client) -> None:
    before = key()
    asked = text(ada.get(ROTATE))
    assert "Rotate the key for access tokens of Acme now?" in asked
    assert re.search(r"from today \d\d:\d\d on|from tomorrow \d\d:\d\d on", asked)
    response = ada.post(ROTATE, follow=True)
    assert response.redirect_chain == [(KEYS, 302)]
    assert "The next key is announced; it signs by itself from" in response.content.decode()
    assert key() == before
    assert key(Status.PUBLISHED).planned_for is not None


def test_a_key_that_is_known_long_enough_signs_at_once(ada: Client) -> None:
    next_one = announce()
    SigningKey.objects.filter(pk=next_one.pk).update(known_at=timezone.now() - timedelta(minutes=1))
    slow = node("slow")
    assert "signs as soon as these gateways know it: slow." in text(ada.get(ROTATE))
    covers(slow, next_one.published_event or 0, next_one.published_event or 0)
    assert "signs at once" in text(ada.get(ROTATE))
    assert "The next key signs now." in ada.post(ROTATE, follow=True).content.decode()
    assert key() == next_one
    assert key(Status.RETIRED).sealed is None


def test_sent_twice_it_is_done_once(ada: Client) -> None:
    ada.post(f"{KEYS}rotate/api_key/", {"once": "the-same"})
    assert ada.post(f"{KEYS}rotate/api_key/", {"once": "the-same"}).status_code == 409
    assert ada.post(REHEARSE, {"once": "another"}).status_code == 200
    again = ada.post(REHEARSE, {"once": "another"})
    assert again.status_code == 409
    assert "sent twice" in text(again)


def test_there_is_no_such_purpose(ada: Client) -> None:
    for each in ("rehearse/nothing/", "rotate/nothing/", "rotate/%00/"):
        assert ada.get(KEYS + each).status_code in {400, 404}
        assert ada.post(KEYS + each).status_code in {400, 404}


# Compromised


def test_what_stops_is_said_before_the_button(ada: Client, in_acme: Cast) -> None:
    uses_tokens(in_acme, calls=41)
    node("gateway-1")
    node("away", connected=False)
    said = text(ada.get(f"{KEYS}{key().pk}/compromise/"))
    assert "Applications 1 Calls since yesterday 41" in said
    assert "Checkout carl@acme.example 41" in said
    assert "refused on 1 gateway within two seconds" in said
    assert "away is not connected, and trusts the old key until it is back." in said
    assert said.index("Checkout") < said.index("Give it up now")


def test_a_reason_is_needed_and_what_was_typed_is_kept(ada: Client) -> None:
    address = f"{KEYS}{key().pk}/compromise/"
    response = ada.post(address, {"reason": " "})
    assert response.status_code == 422
    assert "Fill this in." in text(response)
    long = ada.post(address, {"reason": "y" * 501})
    assert long.status_code == 422
    assert "y" * 501 in long.content.decode()
    assert key().condemned_at is None


def test_given_up_another_signs_and_the_receipt_names_who_was_away(ada: Client, in_acme: Cast) -> None:
    node("away", connected=False)
    old = key()
    response = ada.post(f"{KEYS}{old.pk}/compromise/", {"reason": "Found in a log."}, follow=True)
    assert response.redirect_chain == [(f"{KEYS}{old.pk}/", 302)]
    said = text(response)
    assert "Compromised" in said
    assert "away" in said
    assert "Not connected" in said
    assert f"The key {short(old)} is given up." in response.content.decode()
    old.refresh_from_db()
    assert (old.status, old.sealed) == (Status.COMPROMISED, None)
    assert key() != old
    event = Event.objects.get(kind="signing_key.compromised")
    assert (event.actor_id, event.data["reason"]) == (in_acme.ada.pk, "Found in a log.")
    assert f"/receipts/{event.number}/" in response.content.decode()


def test_what_is_given_up_can_not_be_given_up_again(ada: Client, in_acme: Cast) -> None:
    old = key()
    address = f"{KEYS}{old.pk}/compromise/"
    ada.post(address, {"reason": "x"})
    assert ada.get(address, follow=True).redirect_chain == [(f"{KEYS}{old.pk}/", 302)]
    again = ada.post(address, {"reason": "once more", "once": "used"})
    assert again.status_code == 409
    assert again.context["form"]["once"].value() != "used", "nothing was done, so it may be sent again"
    assert "trusted nowhere any more" in text(again)
    assert "once more" in again.content.decode()


# The policy


def test_the_form_shows_the_policy_as_it_is(ada: Client) -> None:
    change_policy({"rotation": 90 * 60, "token_lifetime": 61, "jwks_max_age": 300}, by=None)
    form = ada.get(POLICY).context["form"]
    shown = {name: form[name].value() for name in form.fields}
    assert (shown["rotation"], shown["rotation_unit"]) == (90, "minutes")
    assert (shown["token_lifetime"], shown["token_lifetime_unit"]) == (61, "seconds")
    assert (shown["overlap"], shown["overlap_unit"]) == (1, "hours")


def test_what_a_change_does_is_said_before(ada: Client) -> None:
    said = text(ada.get(POLICY))
    assert "Another algorithm rotates both keys: the new ones are announced within a minute, and sign 5 minutes and 5 seconds later" in said


def test_ada_changes_it(ada: Client, in_acme: Cast) -> None:
    response = ada.post(
        POLICY, as_it_stands(algorithm="EdDSA", rotation="12", rotation_unit="hours", token_lifetime="90", token_lifetime_unit="seconds")
    )
    assert response.status_code == 302
    policy = TokenPolicy.objects.get()
    assert (policy.algorithm, policy.rotation, policy.token_lifetime, policy.overlap) == ("EdDSA", 12 * 3600, 90, 3600)
    event = Event.objects.get(kind="token_policy.changed")
    assert set(event.data["now"]) == {"algorithm", "rotation", "token_lifetime"}
    assert "It will sign just now" in text(ada.get(KEYS))


def test_nothing_changed_is_no_event(ada: Client) -> None:
    assert "Nothing was changed" in ada.post(POLICY, as_it_stands(), follow=True).content.decode()
    assert not Event.objects.filter(kind="token_policy.changed").exists()


@pytest.mark.parametrize(
    ("changed", "field", "said"),
    [
        ({"rotation": "5", "rotation_unit": "minutes"}, "rotation", "Choose a time from 1 hour to 365 days."),
        ({"rotation": "400"}, "rotation", "Choose a time from 1 hour to 365 days."),
        ({"token_lifetime": "16"}, "token_lifetime", "Choose a time from 1 minute to 15 minutes."),
        ({"token_lifetime": "ten"}, "token_lifetime", "Give a whole number."),
        ({"jwks_max_age": ""}, "jwks_max_age", "Fill this in."),
        ({"jwks_max_age_unit": "weeks"}, "jwks_max_age_unit", "not one of the available choices"),
        ({"overlap": "5", "overlap_unit": "minutes"}, "overlap", "Tokens live 600 s"),
        ({"rotation": "1", "rotation_unit": "hours", "jwks_max_age": "60"}, "rotation", "can't change this often"),
        ({"algorithm": "HS256"}, "algorithm", "not one of the available choices"),
        ({"api_key_days": "366"}, "api_key_days", "Give a number from 1 to 365."),
        ({"overlap": "9" * 40}, "overlap", "Give a number from 1 to 31,536,000."),
    ],
)
def test_a_refusal_stands_at_its_field_and_nothing_typed_is_lost(ada: Client, changed: dict[str, str], field: str, said: str) -> None:
    given = as_it_stands(**{"api_key_days": "77", **changed})
    response = ada.post(POLICY, given)
    assert response.status_code == 422
    form = response.context["form"]
    assert list(form.errors) == [field]
    assert said in form.errors[field][0]
    assert {name: form[name].value() for name in given} == given
    assert TokenPolicy.objects.get().api_key_days == 365


# Queries


def test_as_many_queries_for_many_keys(ada: Client, in_acme: Cast) -> None:
    for name in ("a", "b"):
        node(name)
    rotate(3)
    rotate(3, Use.API_KEY)
    announced = announce()
    announce(Use.API_KEY)
    uses_tokens(in_acme, calls=1)
    with queries("page:keys"):
        ada.get(KEYS)
    with queries("page:key"):
        ada.get(f"{KEYS}{announced.pk}/")
    with queries("page:key-compromise"):
        ada.get(f"{KEYS}{key().pk}/compromise/")
    with queries("page:keys-policy"):
        ada.get(POLICY)
    with queries("page:keys-rehearse"):
        ada.get(REHEARSE)
    with queries("page:keys-rotate"):
        ada.get(ROTATE)
