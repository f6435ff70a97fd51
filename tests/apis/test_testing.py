"""Pam tries a revision at an address of its own, by actions and over REST."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apis.actions import publishing, testing, versions
from apis.models import Api, ApiVersion, Operation, Revision, Upstream
from apis.tasks import end_tests
from gateway import desired
from keys.models import ProtectedResource, TokenPolicy
from tenants import limits
from tenants.errors import Invalid, NotAllowed
from tenants.models import Due, Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries

HOUR = timedelta(hours=1)


@pytest.fixture
def orders(in_acme: Cast) -> Api:
    return make.api("orders")


def v1(api: Api) -> ApiVersion:
    return ApiVersion.objects.select_related("api").get(api=api, name="v1")


def another(api: Api, content: dict[str, object] | None = None) -> Revision:
    return publishing.add_revision(v1(api), document=make.document(content), target=make.target(), by=None)


def closed() -> list[int]:
    """The revisions that were closed, by number, in the order in which they were."""
    return [event.data["number"] for event in Event.objects.filter(kind="revision.test_closed").order_by("number")]


def test_it_is_open_for_as_long_as_pam_says(in_acme: Cast, orders: Api) -> None:
    second = another(orders)
    before = timezone.now()
    event = testing.open_for_tests(second, hours=8, by=in_acme.pam)
    assert second.open_until is not None
    assert before <= second.open_until - 8 * HOUR <= timezone.now()
    assert event.data == {"version": "Orders v1", "number": 2, "until": second.open_until.isoformat()}
    assert Due.objects.get(job=testing.TEST_JOB).at == second.open_until
    assert [*Revision.objects.open_for_tests()] == [second]
    testing.open_for_tests(second, hours=24, by=in_acme.pam)
    assert second.open_until > before + 23 * HOUR, "another time, from now on"


def test_what_callers_have_is_not_tried(in_acme: Cast, orders: Api) -> None:
    live = v1(orders).live_revision
    assert live is not None
    with pytest.raises(NotAllowed, match="Revision 1 is live, so it is called at the address of Orders v1."):
        testing.open_for_tests(live, hours=1, by=in_acme.pam)


def test_a_version_that_was_never_opened_is_tried_with_its_live_revision(in_acme: Cast, orders: Api) -> None:
    fresh = publishing.add_version(orders, name="v2", by=None)
    revision = publishing.add_revision(fresh, document=make.document(), target=make.target(), by=None)
    publishing.make_live(revision, by=None)
    testing.open_for_tests(revision, hours=1, by=in_acme.pam)
    fresh.refresh_from_db()
    publishing.publish(fresh, by=in_acme.pam)
    assert closed() == [1]


def test_of_a_retired_version_nothing_is_tried(in_acme: Cast, orders: Api) -> None:
    second, third, found = another(orders), another(orders), v1(orders)
    versions.deprecate(found, reason="Old.", by=in_acme.pam)
    for each in (second, third):
        testing.open_for_tests(each, hours=1, by=in_acme.pam)
    versions.retire(found, by=in_acme.pam)
    assert closed() == [2, 3]
    with pytest.raises(NotAllowed, match="Orders v1 is retired"):
        testing.open_for_tests(second, hours=1, by=in_acme.pam)


@pytest.mark.parametrize("hours", [0, 2, 48, -1])
def test_it_takes_one_of_three_times(in_acme: Cast, orders: Api, hours: int) -> None:
    with pytest.raises(Invalid, match="Choose from 1, 8, 24"):
        testing.open_for_tests(another(orders), hours=hours, by=in_acme.pam)
    assert not Revision.objects.open_for_tests().exists()


def test_going_live_ends_it_and_leaves_others_open(in_acme: Cast, orders: Api) -> None:
    second, third = another(orders), another(orders)
    for each in (second, third):
        testing.open_for_tests(each, hours=1, by=in_acme.pam)
    publishing.make_live(second, by=in_acme.pam)
    assert closed() == [2]
    assert [*Revision.objects.open_for_tests()] == [third]
    assert Event.objects.get(kind="revision.test_closed").actor_id == in_acme.pam.pk


def test_closing_what_is_not_open_is_refused(in_acme: Cast, orders: Api) -> None:
    with pytest.raises(NotAllowed, match="Revision 2 is not open for tests."):
        testing.close_to_tests(another(orders), by=in_acme.pam)
    assert closed() == []


def test_those_whose_time_is_over_are_ended_in_each_tenant(cast: Cast) -> None:
    for tenant, person in ((cast.acme, cast.pam), (cast.globex, cast.eve)):
        with tenant_scope(tenant.pk):
            api = make.api("orders")
            over, later = another(api), another(api)
            for each in (over, later):
                testing.open_for_tests(each, hours=1, by=person)
            Revision.objects.filter(pk=over.pk).update(open_until=timezone.now() - HOUR)
            Due.objects.filter(tenant_id=tenant.pk, job=testing.TEST_JOB).update(at=timezone.now() - HOUR)
    assert end_tests() == 2
    assert end_tests() == 0
    for tenant in (cast.acme, cast.globex):
        with tenant_scope(tenant.pk):
            [event] = Event.objects.filter(kind="revision.test_closed")
            assert (event.actor_id, event.data["number"]) == (None, 2)
            [left] = Revision.objects.open_for_tests()
            assert Due.objects.get(tenant_id=tenant.pk, job=testing.TEST_JOB).at == left.open_until


def test_its_upstream_is_kept_resolved_while_it_is_open(in_acme: Cast, orders: Api) -> None:
    second = another(orders)
    assert second.upstream not in Upstream.objects.in_use()
    testing.open_for_tests(second, hours=1, by=in_acme.pam)
    assert second.upstream in Upstream.objects.in_use()
    testing.close_to_tests(second, by=in_acme.pam)
    assert second.upstream not in Upstream.objects.in_use()


def test_tokens_may_have_its_scopes_and_the_api_does_not_tell_them(in_acme: Cast, orders: Api) -> None:
    second = another(orders, make.SCOPED)
    testing.open_for_tests(second, hours=1, by=in_acme.pam)
    assert set(TokenPolicy.objects.get().scopes) == set(second.scopes)
    assert second.scopes
    assert ProtectedResource.objects.get(name="orders").scopes == {}
    testing.close_to_tests(second, by=in_acme.pam)
    assert TokenPolicy.objects.get().scopes == []


def test_so_many_are_open_at_once(in_acme: Cast, orders: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TESTS", 1)
    second, third = another(orders), another(orders)
    testing.open_for_tests(second, hours=1, by=in_acme.pam)
    testing.open_for_tests(second, hours=8, by=in_acme.pam)
    with pytest.raises(NotAllowed, match="There are 1 revisions open for tests here"):
        testing.open_for_tests(third, hours=1, by=in_acme.pam)


def test_its_routes_count_among_those_that_gateways_hold(in_acme: Cast, orders: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    second, many = another(orders), Operation.objects.filter(revision__version__api=orders, revision__number=1).count()
    monkeypatch.setattr(limits, "LIVE_OPERATIONS", 2 * many - 1)
    with pytest.raises(NotAllowed, match=f"Revision 2 has {many} operations, and {many} of this tenant are live"):
        testing.open_for_tests(second, hours=1, by=in_acme.pam)
    monkeypatch.setattr(limits, "LIVE_OPERATIONS", 2 * many)
    testing.open_for_tests(second, hours=1, by=in_acme.pam)
    with pytest.raises(NotAllowed, match="together at most"):
        make.api("bills")
    publishing.make_live(second, by=in_acme.pam)


# --- who may call ----------------------------------------------------------------------------------------------------


def grants() -> dict[tuple[str, str], tuple[str, str]]:
    return {(each.api, each.client_id): (each.plan, each.refusal) for each in desired._grants()}


def test_while_nothing_is_open_it_takes_an_application_of_ones_own(in_acme: Cast) -> None:
    revision = v1(make.api("orders", published=False)).live_revision
    assert revision is not None
    for application in (None, make.application(in_acme.carl)):
        with pytest.raises(Invalid, match="choose one of yours"):
            testing.open_for_tests(revision, hours=1, application=application, by=in_acme.pam)
    assert not Revision.objects.open_for_tests().exists()


def test_the_named_application_has_a_grant_until_the_api_is_opened(in_acme: Cast) -> None:
    api = make.api("orders", published=False)
    revision, mine = v1(api).live_revision, make.application(in_acme.pam, name="Mine")
    assert revision is not None
    event = testing.open_for_tests(revision, hours=1, application=mine, by=in_acme.pam)
    assert (event.data["application"], event.data["application_id"]) == ("Mine", str(mine.pk))
    next_one = another(api)
    testing.open_for_tests(next_one, hours=1, application=mine, by=in_acme.pam)
    assert grants() == {("orders", mine.client_id): ("test", "")}
    publishing.publish(v1(api), by=in_acme.pam)
    next_one.refresh_from_db()
    assert (next_one.is_open_for_tests, next_one.tester) == (True, None)
    with pytest.raises(Invalid, match="it takes a subscription"):
        testing.open_for_tests(next_one, hours=1, application=mine, by=in_acme.pam)
    assert grants() == {}


def test_a_tester_reaches_nothing_live_whatever_stands_in_the_row(in_acme: Cast, orders: Api) -> None:
    """The gateway's table knows APIs, not revisions, so the grant is given only where nothing else of the API can be called."""
    second = another(orders)
    testing.open_for_tests(second, hours=1, by=in_acme.pam)
    Revision.objects.filter(pk=second.pk).update(tester=make.application(in_acme.pam))
    assert grants() == {}


# --- REST ------------------------------------------------------------------------------------------------------------

URL = "/apis/orders/versions/v1/revisions/2/test/"


@pytest.fixture
def second(cast: Cast) -> Revision:
    with tenant_scope(cast.acme.pk):
        return another(make.api("orders"))


def test_pam_opens_and_closes_it(cast: Cast, rest: Rest, second: Revision) -> None:
    pam = rest(cast.pam)
    assert pam.get(f"{base(cast.acme)}/apis/orders/versions/v1/revisions/2/").json()["test"] is None
    with queries("revisions/test/"):
        answer = pam.put(f"{base(cast.acme)}{URL}", {"hours": 1}, format="json")
    told = answer.json()
    assert answer.status_code == 200
    assert told["test"]["address"].endswith("/acme/orders/v1~2")
    assert told["test"]["application"] is None
    assert told["receipt"].endswith(f"/{told['event']}/")
    [_, listed] = sorted(
        pam.get(f"{base(cast.acme)}/apis/orders/versions/v1/revisions/").json()["results"], key=lambda each: each["number"]
    )
    assert listed["test"] == told["test"]
    ended = pam.delete(f"{base(cast.acme)}{URL}")
    assert (ended.status_code, ended.json()["test"]) == (200, None)
    assert pam.delete(f"{base(cast.acme)}{URL}").status_code == 409


def test_what_pam_gets_wrong_is_said(cast: Cast, rest: Rest, second: Revision) -> None:
    for given, field in (({}, "hours"), ({"hours": "soon"}, "hours"), ({"hours": 3}, "hours"), ({"hours": 1, "more": 1}, "more")):
        answer = rest(cast.pam).put(f"{base(cast.acme)}{URL}", given, format="json")
        assert answer.status_code == 422, given
        assert field in str(answer.json())
    with tenant_scope(cast.acme.pk):
        foreign = make.application(cast.carl)
        unopened = make.api("drafts", published=False)
    draft = f"{base(cast.acme)}/apis/{unopened.slug}/versions/v1/revisions/1/test/"
    # Where nothing is open it would be needed, and where something is, left out; somebody else's is neither.
    for address in (draft, f"{base(cast.acme)}{URL}"):
        answer = rest(cast.pam).put(address, {"hours": 1, "application": str(foreign.pk)}, format="json")
        assert (answer.status_code, "Choose one of your own applications." in str(answer.json())) == (422, True)


def test_carl_may_not_and_eve_finds_nothing(cast: Cast, rest: Rest, second: Revision) -> None:
    for method in ("put", "delete"):
        assert getattr(rest(cast.carl), method)(f"{base(cast.acme)}{URL}", {"hours": 1}, format="json").status_code == 403
        assert getattr(rest(cast.eve), method)(f"{base(cast.acme)}{URL}", {"hours": 1}, format="json").status_code == 404
    with tenant_scope(cast.acme.pk):
        assert not Event.objects.filter(kind__startswith="revision.test").exists()
