"""Every step in the life of a version, and every one that there is none, by actions and over REST."""

import re

import pytest

from apis.actions import publishing
from apis.models import ApiVersion
from portal.settings import BASE_DIR
from tenants import events, lifecycle
from tenants.errors import NotAllowed
from tenants.models import Event, Role
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base
from tests.life import AT_THE_GATEWAY, REFUSED, STEPS, WAYS, WHO, Step
from tests.steps import named

Status = ApiVersion.Status
PAIRS = [(was, now) for was in Status.values for now in Status.values if (was, now) not in ApiVersion.STEPS]


def now(version: ApiVersion) -> str:
    return ApiVersion.objects.values_list("status", flat=True).get(pk=version.pk)


# --- the table -------------------------------------------------------------------------------------------------------


def test_the_table_is_the_diagram_of_the_code() -> None:
    assert {(step.was, step.now): step.verb for step in STEPS} == dict(ApiVersion.STEPS)
    assert len(STEPS) == len(ApiVersion.STEPS)
    assert set(AT_THE_GATEWAY) == set(Status.values)


def test_the_table_is_what_the_documentation_says() -> None:
    text = (BASE_DIR / "docs/versions.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    assert {was: set(re.findall(r"`(\w+)`", leads)) for was, _, leads in rows} == {
        state: {step.now for step in STEPS if step.was == state} for state in Status.values
    }
    for state, at_the_gateway, _ in rows:
        answer = AT_THE_GATEWAY[state]
        assert ("calls pass" in at_the_gateway) == (answer.status == 200)
        if state != Status.CREATED and answer.code:
            assert f"{answer.status} `{answer.code}`" in at_the_gateway


# --- actions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_pam_takes_each_step(in_acme: Cast, step: Step) -> None:
    version = make.version(make.api("orders"), status=step.was)
    event = WAYS[step.way].act(version, in_acme.pam)
    assert (event.kind, event.data["was"], event.actor_id) == (f"version.{step.verb}", step.was, in_acme.pam.pk)
    assert version.status == now(version) == step.now


@pytest.mark.parametrize(("way", "state"), REFUSED)
def test_no_action_goes_another_way(in_acme: Cast, way: str, state: str) -> None:
    version = make.version(make.api("orders"), status=state)
    before = Event.objects.count()
    with pytest.raises(NotAllowed):
        WAYS[way].act(version, in_acme.pam)
    assert (now(version), Event.objects.count()) == (state, before)


@pytest.mark.parametrize(("was", "to"), PAIRS)
def test_no_two_other_states_are_joined(in_acme: Cast, was: str, to: str) -> None:
    """Whatever an action may try: the states that it asks for are compared with the diagram once more."""
    version = make.version(make.api("orders"), status=was)
    events.lock()
    with pytest.raises(NotAllowed, match="so it can't become"):
        lifecycle.move(version, to, by=in_acme.pam)
    assert now(version) == was


# --- REST ------------------------------------------------------------------------------------------------------------


def at(cast: Cast, way: str) -> str:
    return f"{base(cast.acme)}/apis/orders/versions/v2/{way}/"


def orders_v2(cast: Cast, state: str) -> ApiVersion:
    with tenant_scope(cast.acme.pk):
        return make.version(make.api("orders"), status=state, by=cast.pam)


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_pam_takes_each_step_over_rest(cast: Cast, rest: Rest, step: Step) -> None:
    orders_v2(cast, step.was)
    answer = rest(cast.pam).post(at(cast, step.way), WAYS[step.way].given, format="json")
    assert answer.status_code == 200, answer.content
    assert (answer.json()["status"], bool(answer.json()["receipt"])) == (step.now, True)
    with tenant_scope(cast.acme.pk):
        assert Event.objects.order_by("-number")[0].kind == f"version.{step.verb}"


@pytest.mark.parametrize(("way", "state"), REFUSED)
def test_rest_goes_no_other_way(cast: Cast, rest: Rest, way: str, state: str) -> None:
    version = orders_v2(cast, state)
    answer = rest(cast.pam).post(at(cast, way), WAYS[way].given, format="json")
    assert (answer.status_code, bool(answer.json()["detail"])) == (409, True)
    with tenant_scope(cast.acme.pk):
        assert now(version) == state


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_only_who_publishes_takes_a_step_over_rest(cast: Cast, rest: Rest, step: Step) -> None:
    version, given = orders_v2(cast, step.was), WAYS[step.way].given
    for role in set(Role.values) - WHO:
        answer = rest(make.member(cast.acme, None, role)).post(at(cast, step.way), given, format="json")
        assert answer.status_code == 403, role
    assert rest(cast.eve).post(at(cast, step.way), given, format="json").status_code == 404
    with tenant_scope(cast.acme.pk):
        assert now(version) == step.was
    assert rest(cast.ada).post(at(cast, step.way), given, format="json").status_code == 200


# --- revisions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", Status.values)
def test_one_revision_is_live_and_an_older_one_can_be_again_until_the_version_is_retired(in_acme: Cast, state: str) -> None:
    version = make.version(make.api("orders"), status=state)
    first = version.revisions.get()
    second = publishing.add_revision(version, document=make.document(), target=make.target(), by=in_acme.pam)
    for each in (second, first):
        if state == Status.RETIRED:
            before = Event.objects.count()
            with pytest.raises(NotAllowed, match="Orders v2 is retired"):
                publishing.make_live(each, by=in_acme.pam)
            assert Event.objects.count() == before
        else:
            publishing.make_live(each, by=in_acme.pam)
            assert ApiVersion.objects.get(pk=version.pk).live_revision == each
