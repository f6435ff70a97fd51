"""What a tenant may choose for its keys and tokens, and what each choice changes."""

from datetime import timedelta
from typing import Any

import pytest

from keys.actions.policies import change_policy
from keys.actions.signing import ADVANCE_JOB
from keys.models import SigningKey, TokenPolicy
from tenants.errors import Invalid
from tenants.models import Due, Event
from tests.conftest import Cast

HOUR, DAY = 3_600, 86_400


def changed(**given: Any) -> TokenPolicy:
    change_policy(given, by=None)
    return TokenPolicy.objects.get()


@pytest.mark.parametrize("given,field,sentence", [
    ({"algorithm": "HS256"}, "algorithm", "not a valid choice"),
    ({"algorithm": "none"}, "algorithm", "not a valid choice"),
    ({"token_lifetime": 901}, "token_lifetime", "less than or equal to 900"),
    ({"token_lifetime": 59}, "token_lifetime", "greater than or equal to 60"),
    ({"token_lifetime": 900, "overlap": 899}, "overlap", "Tokens live 900 s"),
    ({"overlap": 599}, "overlap", "make the overlap longer"),
    ({"rotation": HOUR - 1}, "rotation", "greater than or equal to 3600"),
    ({"rotation": 365 * DAY + 1}, "rotation", "less than or equal to 31536000"),
    ({"rotation": HOUR, "jwks_max_age": HOUR}, "rotation", "keys can't change this often"),
    ({"jwks_max_age": 4}, "jwks_max_age", "greater than or equal to 5"),
    ({"jwks_max_age": HOUR + 1}, "jwks_max_age", "less than or equal to 3600"),
    ({"api_key_days": 366}, "api_key_days", "less than or equal to 365"),
    ({"api_key_days": 0}, "api_key_days", "greater than or equal to 1"),
])  # fmt: skip
def test_what_would_break_a_promise_is_refused_with_a_sentence(in_acme: Cast, given: dict[str, Any], field: str, sentence: str) -> None:
    before = TokenPolicy.objects.values().get()
    with pytest.raises(Invalid) as refused:
        change_policy(given, by=in_acme.ada)
    assert sentence in str(refused.value.problems[field][0])
    assert TokenPolicy.objects.values().get() == before
    assert not Event.objects.filter(kind="token_policy.changed").exists()


@pytest.mark.parametrize("given", [
    {"rotation": HOUR}, {"rotation": 365 * DAY}, {"token_lifetime": 60}, {"token_lifetime": 900, "overlap": 900}, {"jwks_max_age": 5},
    {"jwks_max_age": HOUR}, {"api_key_days": 1}, {"algorithm": "RS256-2048"},
])  # fmt: skip
def test_every_bound_itself_is_allowed(in_acme: Cast, given: dict[str, Any]) -> None:
    changed(**given)
    assert TokenPolicy.objects.filter(**given).exists()


def test_a_change_is_on_the_record_and_nothing_changed_is_not(in_acme: Cast) -> None:
    assert change_policy({"algorithm": "ES256"}, by=in_acme.ada) is None
    event = change_policy({"algorithm": "ES384", "rotation": DAY}, by=in_acme.ada)
    assert event is not None
    assert event.data == {"was": {"algorithm": "ES256", "rotation": 30 * DAY}, "now": {"algorithm": "ES384", "rotation": DAY}}
    assert event.actor_id == in_acme.ada.pk


def test_who_fetched_the_jwks_before_its_age_was_lowered_is_waited_for(in_acme: Cast) -> None:
    first = changed(jwks_max_age=HOUR)
    assert first.jwks_kept_until is None, "raised, nobody holds an older one for longer"
    second = changed(jwks_max_age=5)
    assert second.jwks_kept_until is not None
    told = Event.objects.filter(kind="token_policy.changed").latest("number")
    assert second.jwks_kept_until == told.at + timedelta(seconds=HOUR)


def test_the_key_remembers_the_longest_lifetime(in_acme: Cast) -> None:
    changed(token_lifetime=900)
    changed(token_lifetime=60)
    assert set(SigningKey.objects.filter(status="active").values_list("longest_lifetime", flat=True)) == {900}


def test_another_policy_is_acted_on_at_once(in_acme: Cast) -> None:
    Due.objects.filter(tenant=in_acme.acme, job=ADVANCE_JOB).delete()
    event = change_policy({"algorithm": "EdDSA"}, by=None)
    assert event is not None
    assert Due.objects.get(tenant=in_acme.acme, job=ADVANCE_JOB).at == event.at
