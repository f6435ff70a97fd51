"""The life of a version in the browser: Pam opens, blocks, deprecates and retires it; Carl reads that it goes, and says that he knows."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apis.actions import operation_uses, versions
from apis.models import Api, ApiVersion, BrownOut
from keys.models import Application
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries

V1 = "/t/acme/console/apis/orders/v1/"
LIFE = f"{V1}life/"
Status = ApiVersion.Status


@pytest.fixture
def carl(cast: Cast) -> Client:
    found = Client()
    found.force_login(cast.carl)
    return found


@pytest.fixture
def shop(cast: Cast, orders: Api) -> Application:
    """Carl's, with a subscription; it called three times."""
    with tenant_scope(cast.acme.pk):
        found = make.subscription(of=make.application(cast.carl, name="Shop"), to=make.plan(orders)).application
        operation_uses.store(cast.acme.pk, {(found.client_id, "orders", "v1", "listOrders"): 3})
        return found


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", unescape(answer.content.decode()))


def v1(cast: Cast) -> ApiVersion:
    with tenant_scope(cast.acme.pk):
        return ApiVersion.objects.select_related("api", "successor").get(api__slug="orders", name="v1")


def deprecated(cast: Cast, **told: Any) -> ApiVersion:
    with tenant_scope(cast.acme.pk):
        versions.deprecate(v1(cast), reason="Old.", by=cast.pam, **told)
    return v1(cast)


def second(cast: Cast) -> ApiVersion:
    with tenant_scope(cast.acme.pk):
        return make.version(Api.objects.get(slug="orders"))


def moment(at: Any) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%dT%H:%M")


def test_there_is_no_sunset_of_what_is_not_going(cast: Cast, pam: Client, orders: Api) -> None:
    answer = pam.post(f"{V1}sunset/", {"sunset_at": moment(timezone.now() + timedelta(days=3))})
    assert answer.status_code == 409
    assert "is not deprecated" in text(answer)
    assert v1(cast).sunset_at is None


def test_a_deprecation_tells_successor_and_sunset(cast: Cast, pam: Client, orders: Api) -> None:
    second(cast)
    form = text(pam.get(f"{V1}deprecate/"))
    assert '<option value="v2">v2</option>' in form
    assert '<option value="v1">' not in form
    sunset = timezone.now().replace(second=0, microsecond=0) + timedelta(days=60)
    pam.post(f"{V1}deprecate/", {"reason": "v2 is better.", "successor": "v2", "sunset_at": moment(sunset)})
    found = v1(cast)
    assert (found.reason, found.successor and found.successor.name, found.sunset_at) == ("v2 is better.", "v2", sunset)
    page = text(pam.get(LIFE))
    for said in ("v2 is better.", "Sunset", "v2"):
        assert said in page


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"reason": ""}, "Fill this in."),
        ({"sunset_at": "some day"}, "Give a day and a time as 2027-01-31 18:30."),
        ({"sunset_at": "2020-01-01T00:00"}, "This time has passed."),
        ({"sunset_at": "9999-01-01T00:00"}, "Choose a year from 1970 to 2999."),
        ({"successor": "v9"}, "Choose one of these versions."),
        ({"successor": "v1"}, "Choose one of these versions."),
    ],
)
def test_what_can_not_be_said_comes_back(cast: Cast, pam: Client, orders: Api, given: dict[str, str], said: str) -> None:
    answer = pam.post(f"{V1}deprecate/", {"reason": "Because of <b>.", "sunset_at": "", "successor": "", **given})
    assert answer.status_code == 422
    assert said in text(answer)
    if "reason" not in given:
        assert "Because of &lt;b&gt;." in answer.content.decode()
    assert v1(cast).status == "published"


def test_the_sunset_is_only_put_off(cast: Cast, pam: Client, orders: Api) -> None:
    sunset = timezone.now().replace(second=0, microsecond=0) + timedelta(days=60)
    deprecated(cast, sunset_at=sunset)
    answer = pam.post(f"{V1}sunset/", {"sunset_at": moment(sunset - timedelta(days=1))})
    assert answer.status_code == 422
    assert "it can only go on longer" in text(answer)
    assert pam.post(f"{V1}sunset/", {"sunset_at": moment(sunset + timedelta(days=1))}).status_code == 302
    assert v1(cast).sunset_at == sunset + timedelta(days=1)


def test_who_still_calls_is_named_and_stands_in_the_way_of_retiring(cast: Cast, pam: Client, carl: Client, shop: Application) -> None:
    deprecated(cast)
    page = text(pam.get(LIFE))
    for said in ("Shop", "1 application still calls it, and nobody has acknowledged that it goes.", "Not yet"):
        assert said in page
    assert "nobody has acknowledged that it goes: Shop." in text(pam.get(f"{V1}retire/"))
    assert pam.post(f"{V1}retire/", {"reason": "Enough."}).status_code == 409
    again = pam.post(f"{V1}retire/", {"override": "on", "reason": ""})
    assert again.status_code == 422
    assert "Say why it is retired all the same." in text(again)
    own = text(carl.get(f"/t/acme/apps/{shop.pk}/"))
    assert "Orders v1 is going; until when it answers is not decided." in own
    acknowledge = f"/t/acme/apps/{shop.pk}/acknowledge/orders/v1/"
    assert f'href="{acknowledge}"' in own
    assert carl.get(acknowledge).status_code == 200
    assert "Its publisher sees that Shop's people know." in text(carl.post(acknowledge, follow=True))
    assert "Orders v1 is going" not in text(carl.get(f"/t/acme/apps/{shop.pk}/"))
    assert "Carl" in text(pam.get(LIFE))
    pam.post(f"{V1}retire/", {"reason": "Enough."})
    assert v1(cast).status == "retired"


def test_retired_all_the_same_with_a_reason(cast: Cast, pam: Client, shop: Application) -> None:
    deprecated(cast)
    pam.post(f"{V1}retire/", {"override": "on", "reason": "A hole."})
    assert v1(cast).status == "retired"
    with tenant_scope(cast.acme.pk):
        assert Event.objects.get(kind="version.retired").data["override"] is True


def test_a_brown_out_is_planned_and_cancelled(cast: Cast, pam: Client, orders: Api) -> None:
    deprecated(cast)
    soon = pam.post(f"{V1}brown-out/", {"starts_at": moment(timezone.now()), "minutes": "15"})
    assert soon.status_code == 422
    assert "an hour at least" in text(soon)
    starts = timezone.now().replace(second=0, microsecond=0) + timedelta(days=1)
    pam.post(f"{V1}brown-out/", {"starts_at": moment(starts), "minutes": "15"})
    with tenant_scope(cast.acme.pk):
        [planned] = BrownOut.objects.all()
    assert (planned.starts_at, planned.ends_at - planned.starts_at) == (starts, timedelta(minutes=15))
    cancel = f"{V1}brown-out/{planned.pk}/cancel/"
    assert f'href="{cancel}"' in text(pam.get(LIFE))
    assert pam.get(cancel).status_code == 200
    pam.post(cancel)
    page = text(pam.get(LIFE))
    assert "Cancelled" in page
    assert cancel not in page
    assert pam.post(cancel).status_code == 409


def test_a_draft_is_thrown_away(cast: Cast, pam: Client) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders", published=False)
    assert "Throw Orders v1 away?" in text(pam.get(f"{V1}retire/"))


def test_the_catalogue_says_how_a_version_stands(cast: Cast, carl: Client, orders: Api) -> None:
    page = "/t/acme/apis/orders/"
    assert "This version is going" not in text(carl.get(page))
    second(cast)
    deprecated(cast, sunset_at=timezone.now() + timedelta(days=60), successor=second_of(cast))
    assert "This version is going" not in text(carl.get(page)), "the published one comes first"
    going = text(carl.get(f"{page}?version=v1"))
    for said in ("This version is going: it answers until", "Move to v2", "Old."):
        assert said in going
    with tenant_scope(cast.acme.pk):
        versions.block(second_of(cast), reason="It leaks.", by=cast.pam)
    blocked = text(carl.get(f"{page}?version=v2"))
    for said in ("Its publisher has blocked this version for now; calls are refused.", "It leaks."):
        assert said in blocked
    listed = text(carl.get("/t/acme/"))
    for word in ("Deprecated", "Blocked"):
        assert word in listed


def second_of(cast: Cast) -> ApiVersion:
    with tenant_scope(cast.acme.pk):
        return ApiVersion.objects.select_related("api").get(api__slug="orders", name="v2")


def test_a_prerelease_says_that_it_may_change(cast: Cast, carl: Client, pam: Client) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders", published=False)
    assert carl.get("/t/acme/apis/orders/").status_code == 404
    pam.post(f"{V1}prerelease/")
    assert "This version is a prerelease: it may still change." in text(carl.get("/t/acme/apis/orders/"))


def test_a_retired_version_is_out_of_the_catalogue(cast: Cast, carl: Client, orders: Api) -> None:
    deprecated(cast)
    with tenant_scope(cast.acme.pk):
        versions.retire(v1(cast), by=cast.pam)
    assert carl.get("/t/acme/apis/orders/").status_code == 404
    assert "Orders" not in text(carl.get("/t/acme/"))


def test_in_as_many_queries_for_many_callers(cast: Cast, pam: Client, shop: Application, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        plan = make.plan(orders)
        others = [make.subscription(of=make.application(cast.carl), to=plan).application for _ in range(8)]
    deprecated(cast)
    pam.get(LIFE)
    with queries("page:version life"):
        assert pam.get(LIFE).status_code == 200
    with tenant_scope(cast.acme.pk):
        for other in others:
            operation_uses.store(cast.acme.pk, {(other.client_id, "orders", "v1", "listOrders"): 1})
            versions.acknowledge(v1(cast), other, by=cast.carl)
    with queries("page:version life"):
        assert text(pam.get(LIFE)).count("<tr>") == 10


STEPS = ("prerelease", "block", "unblock", "deprecate", "sunset", "reinstate", "retire", "brown-out")


def test_carl_reads_and_changes_nothing_and_eve_sees_nothing(cast: Cast, carl: Client, orders: Api, shop: Application) -> None:
    eve = Client()
    eve.force_login(cast.eve)
    for page in (LIFE, *(f"{V1}{step}/" for step in STEPS)):
        assert carl.get(page).status_code == 403
        assert carl.post(page, {"reason": "x"}).status_code in {403, 405}
        assert eve.get(page).status_code == 404
        assert eve.post(page, {"reason": "x"}).status_code == 404
    assert eve.post(f"/t/acme/apps/{shop.pk}/acknowledge/orders/v1/").status_code == 404
    assert v1(cast).status == "published"


def test_nobody_acknowledges_for_anothers_application(cast: Cast, shop: Application) -> None:
    deprecated(cast)
    dora = Client()
    dora.force_login(make.member(cast.acme, "dora@acme.example", "developer"))
    assert dora.post(f"/t/acme/apps/{shop.pk}/acknowledge/orders/v1/").status_code == 404
    with tenant_scope(cast.acme.pk):
        assert versions.going(shop)
