"""REST: by which identity provider Acme's people sign in, who may say so, and that nobody reads its secret."""

from typing import Any

import pytest

from keys.actions.identity_providers import change_provider, secret_of
from keys.models import Identity, IdentityProvider
from tenants.errors import Invalid
from tenants.models import Event, Membership, Role
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries

SECRET = "hunter2-of-the-provider"
GIVEN: dict[str, Any] = {"issuer": "https://login.example.com/acme", "client_id": "portico", "client_secret": SECRET, "enabled": True}
SHOWN = {"issuer": "https://login.example.com/acme", "client_id": "portico", "enabled": True, "joins_as": ""}


def at(cast: Cast) -> str:
    return f"{base(cast.acme)}/settings/identity-provider/"


def put(cast: Cast, rest: Rest, **changed: Any) -> Any:
    return rest(cast.ada).put(at(cast), {**GIVEN, **changed}, format="json")


@pytest.fixture
def named(cast: Cast, rest: Rest) -> Cast:
    assert put(cast, rest).status_code == 200
    return cast


def test_ada_names_it_reads_it_and_removes_it(cast: Cast, rest: Rest) -> None:
    ada = rest(cast.ada)
    assert ada.get(at(cast)).status_code == 404
    assert ada.delete(at(cast)).status_code == 404
    made = put(cast, rest)
    assert (made.status_code, made.json()) == (200, SHOWN)
    with queries("settings/identity-provider/"):
        assert ada.get(at(cast)).json() == SHOWN
    with tenant_scope(cast.acme.pk):
        assert secret_of(IdentityProvider.objects.get()) == SECRET
        Identity.objects.create(issuer=GIVEN["issuer"], subject="carl-1", user=cast.carl)
    assert ada.delete(at(cast)).status_code == 204
    assert ada.get(at(cast)).status_code == 404
    with tenant_scope(cast.acme.pk):
        assert not Identity.objects.exists()
        kinds = list(Event.objects.filter(kind__startswith="identity_provider.").order_by("number").values_list("kind", "actor_id"))
    assert kinds == [("identity_provider.changed", cast.ada.pk), ("identity_provider.removed", cast.ada.pk)]


def test_the_secret_is_in_no_answer_and_no_event(named: Cast, rest: Rest) -> None:
    put(named, rest, client_secret="another-hunter2")
    ada = rest(named.ada)
    answers = [ada.get(at(named)), put(named, rest), ada.get(f"{base(named.acme)}/events/?limit=200")]
    answers.append(put(named, rest, issuer="nonsense", client_secret=SECRET))
    for answer in answers:
        assert SECRET not in answer.content.decode()
        assert "another-hunter2" not in answer.content.decode()
        assert "sealed" not in answer.content.decode()
    with tenant_scope(named.acme.pk):
        told = Event.objects.filter(kind="identity_provider.changed").latest("number")
    assert told.data["now"] == {"client_secret": True}


def test_what_is_left_out_goes_back_and_the_secret_stays(named: Cast, rest: Rest) -> None:
    put(named, rest, joins_as="developer")
    again = rest(named.ada).put(at(named), {name: GIVEN[name] for name in ("issuer", "client_id", "enabled")}, format="json")
    assert again.json() == SHOWN
    with tenant_scope(named.acme.pk):
        assert secret_of(IdentityProvider.objects.get()) == SECRET


def test_the_same_again_is_no_event(named: Cast, rest: Rest) -> None:
    without = {name: value for name, value in GIVEN.items() if name != "client_secret"}
    assert rest(named.ada).put(at(named), without, format="json").status_code == 200
    with tenant_scope(named.acme.pk):
        assert Event.objects.filter(kind="identity_provider.changed").count() == 1


def test_another_issuer_needs_its_own_secret(named: Cast, rest: Rest) -> None:
    """Else whoever may write an address here would have the secret sent to it."""
    moved = {"issuer": "https://evil.example", "client_id": "portico", "enabled": True}
    answer = rest(named.ada).put(at(named), moved, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["client_secret"])
    assert rest(named.ada).get(at(named)).json() == SHOWN


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"issuer": ""}, "issuer"), ({"issuer": "http://login.example.com"}, "issuer"), ({"issuer": "https://a.example/?a=b"}, "issuer"),
        ({"issuer": "https://u:p@a.example"}, "issuer"), ({"issuer": "https://a.example/" + "x" * 500}, "issuer"),
        ({"issuer": 7}, "issuer"),
        ({"client_id": ""}, "client_id"), ({"client_id": " "}, "client_id"), ({"client_id": "x" * 191}, "client_id"),
        ({"client_id": "a\u202eb"}, "client_id"), ({"client_secret": "x" * 501}, "client_secret"),
        ({"client_secret": "a\nb"}, "client_secret"), ({"enabled": "perhaps"}, "enabled"), ({"enabled": None}, "enabled"),
        ({"joins_as": "admin"}, "joins_as"), ({"joins_as": "owner"}, "joins_as"), ({"joins_as": ["developer"]}, "joins_as"),
        ({"era": "x"}, "era"), ({"sealed": "x"}, "sealed"),
    ],
)  # fmt: skip
def test_what_can_not_be_used_is_named_by_its_field(cast: Cast, rest: Rest, wrong: dict[str, Any], field: str) -> None:
    answer = put(cast, rest, **wrong)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert rest(cast.ada).get(at(cast)).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"joins_as": "admin"}, "joins_as"), ({"joins_as": "owner"}, "joins_as"), ({"client_secret": "a\nb"}, "client_secret")],
)
def test_the_rule_holds_whoever_asks(cast: Cast, wrong: dict[str, Any], field: str) -> None:
    """Forms and bodies refuse it before; the action does for every caller."""
    with tenant_scope(cast.acme.pk), pytest.raises(Invalid) as refused:
        change_provider({**GIVEN, **wrong}, by=cast.ada)
    assert list(refused.value.problems) == [field]


def test_the_first_time_everything_is_needed(cast: Cast, rest: Rest) -> None:
    for name in GIVEN:
        given = {each: value for each, value in GIVEN.items() if each != name}
        answer = rest(cast.ada).put(at(cast), given, format="json")
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [name])


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_to_eve_nothing_is_there(named: Cast, rest: Rest, method: str) -> None:
    assert getattr(rest(named.eve), method)(at(named), GIVEN, format="json").status_code == 404
    assert getattr(rest(named.olga), method)(at(named), GIVEN, format="json").status_code == 404
    assert getattr(rest(None), method)(at(named), GIVEN, format="json").status_code == 401
    own = f"{base(named.globex)}/settings/identity-provider/"
    assert rest(named.eve).get(own).status_code == 404, "Acme's is Acme's"


@pytest.mark.parametrize("role", [each for each in Role.values if each != "admin"])
def test_no_other_role_reads_or_names_it(named: Cast, rest: Rest, role: str) -> None:
    user = make.member(named.acme, f"{role}@acme.example", role)
    for method in ("get", "put", "delete"):
        assert getattr(rest(user), method)(at(named), GIVEN, format="json").status_code == 403
    assert rest(named.ada).get(at(named)).json() == SHOWN


def test_who_manages_settings_without_all_else_reads_it_and_changes_nothing(named: Cast, rest: Rest) -> None:
    """Who names the provider decides who signs in as whom, an admin included."""
    with tenant_scope(named.acme.pk):
        role = make.custom_role("Keepers", ["settings.manage", "members.manage", "keys.manage"])
        keeper = make.user("keeper@acme.example")
        Membership.objects.create(user=keeper, custom_roles=[role.pk])
    client = rest(keeper)
    assert client.get(at(named)).json() == SHOWN
    for given in (GIVEN, {**GIVEN, "enabled": False}, {**GIVEN, "issuer": "https://evil.example"}, {**GIVEN, "joins_as": "developer"}):
        answer = client.put(at(named), given, format="json")
        assert answer.status_code == 409
        assert "Only who holds every permission here names one." in answer.json()["detail"]
    assert client.delete(at(named)).status_code == 409
    assert rest(named.ada).get(at(named)).json() == SHOWN
    with tenant_scope(named.acme.pk):
        assert secret_of(IdentityProvider.objects.get()) == SECRET


def test_an_admin_who_lost_the_role_meanwhile_names_none(named: Cast, rest: Rest) -> None:
    with tenant_scope(named.acme.pk):
        Membership.objects.filter(user=named.ada).update(roles=[Role.DEVELOPER])
    assert put(named, rest, enabled=False).status_code == 403
