"""Pam keeps what is asked and answered, and Carl agrees: the rules. tests/gateway/test_contents.py has what is written down."""

from typing import Any

import pytest

from apis.actions import adding, content_logging, subscriptions
from apis.models import Api, ContentConsent, ContentLogging, Plan, Subscription
from keys.envelope import unseal
from keys.kek import kek
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast

TEXT = "To find out why answers are wrong. The team of models reads them."


@pytest.fixture
def api(in_acme: Cast) -> Api:
    make.provider()
    return make.ai_api()


def put(api: Api, **more: Any) -> Event | None:
    given: dict[str, Any] = {"enabled": True, "requests": True, "answers": True, "days": 30, "consent": TEXT, **more}
    return content_logging.put(api, by=make.somebody("publisher"), **given)


def row(api: Api) -> ContentLogging:
    found = content_logging.of(api)
    assert found is not None
    return found


def asked(api: Api, cast: Cast, **more: Any) -> Subscription:
    """Carl asks with a new application."""
    application = make.application(cast.carl)
    return subscriptions.request(application, api=api, plan=Plan.objects.get(api=api), purpose="A test.", by=cast.carl, **more)[0]


def told() -> list[tuple[str, Any]]:
    return list(Event.objects.filter(kind__startswith="content_logging.").order_by("number").values_list("kind", "data"))


def agrees(subscription: Subscription) -> bool:
    return content_logging.standing(subscription).agreed


def test_switching_on_changing_and_switching_off(api: Api) -> None:
    assert content_logging.in_force(api) is None
    put(api)
    assert put(api) is None
    assert content_logging.in_force(api) == row(api)
    assert len(unseal(row(api).sealed, row(api).sealed_for, kek())) == 32
    put(api, days=7)
    put(api, days=7, answers=False)
    assert row(api).version == 1, "less than was agreed to"
    put(api, days=7, enabled=False, answers=False)
    assert content_logging.in_force(api) is None
    put(api, consent="Another.")
    assert [kind for kind, _ in told()] == [
        "content_logging.switched_on",
        "content_logging.changed",
        "content_logging.changed",
        "content_logging.switched_off",
        "content_logging.switched_on",
    ]
    assert told()[1] == ("content_logging.changed", {"was": {"days": 30}, "now": {"days": 7}})


@pytest.mark.parametrize("more", [{"days": 31}, {"consent": "For nothing."}, {"answers": True, "requests": False}])
def test_whoever_agreed_is_asked_anew_where_it_is_more_or_something_else(api: Api, cast: Cast, more: Any) -> None:
    put(api, answers=False)
    subscription = asked(api, cast, logging_agreed=1)
    assert agrees(subscription)
    put(api, **{"answers": False, **more})
    assert (row(api).version, agrees(subscription), content_logging.standing(subscription).asked) == (2, False, True)
    content_logging.agree(subscription, version=2, by=cast.carl)
    assert agrees(subscription)


@pytest.mark.parametrize(
    ("more", "field", "said"),
    [
        ({"requests": False, "answers": False}, "requests", "Choose what is logged"),
        ({"days": 0}, "days", "Choose from 1 to 365 days."),
        ({"days": 366}, "days", "Choose from 1 to 365 days."),
        ({"consent": "  \n"}, "consent", "Write what people agree to"),
        ({"consent": "x" * 2_001}, "consent", "at most 2000 characters"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence(api: Api, more: Any, field: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        put(api, **more)
    assert list(refused.value.problems) == [field]
    assert said in refused.value.problems[field][0]
    assert not ContentLogging.objects.exists()


def test_a_page_that_is_out_of_date_changes_nothing(api: Api) -> None:
    seen = content_logging.stamp(content_logging.of(api))
    put(api, seen=seen)
    with pytest.raises(NotAllowed, match="Somebody changed this meanwhile"):
        put(api, days=7, seen=seen)
    put(api, days=7, seen=content_logging.stamp(row(api)))
    assert row(api).days == 7


def test_an_api_without_models_keeps_nothing(in_acme: Cast) -> None:
    with pytest.raises(NotAllowed, match="answers with no models"):
        put(make.api("orders"))


# --- agreeing --------------------------------------------------------------------------------------------------------


def test_a_request_agrees_to_what_it_shows(api: Api, cast: Cast) -> None:
    asked(api, cast)
    put(api)
    for given, said in ((None, "Read its text, and agree"), (2, "was changed meanwhile"), (0, "was changed meanwhile")):
        with pytest.raises(Invalid) as refused:
            asked(api, cast, logging_agreed=given)
        assert said in refused.value.problems["logging_agreed"][0]
    assert Subscription.objects.count() == 1
    subscription = asked(api, cast, logging_agreed=1)
    assert agrees(subscription)
    kinds = list(Event.objects.filter(subject_id=subscription.pk).order_by("number").values_list("kind", flat=True))
    assert kinds[:2] == ["subscription.requested", "content_logging.agreed"]


def test_nobody_agreed_who_was_there_before_or_was_added(api: Api, cast: Cast) -> None:
    before = asked(api, cast)
    put(api)
    added, _ = adding.add(
        make.application(cast.carl), api=api, plan=Plan.objects.get(api=api), reason="A test.", by=make.somebody("approver")
    )
    assert [agrees(each) for each in (before, added)] == [False, False]
    assert content_logging.counts(api) == (0, 2)
    content_logging.agree(before, version=1, by=cast.carl)
    assert content_logging.counts(api) == (1, 2)


def test_agreeing_withdrawing_and_agreeing_again(api: Api, cast: Cast) -> None:
    subscription = asked(api, cast)
    assert content_logging.withdraw(subscription, by=cast.carl) is None
    put(api)
    assert content_logging.agree(subscription, version=1, by=cast.carl)
    assert content_logging.agree(subscription, version=1, by=cast.carl) is None
    assert content_logging.withdraw(subscription, by=cast.carl)
    assert content_logging.withdraw(subscription, by=cast.carl) is None
    assert not agrees(subscription)
    assert content_logging.agree(subscription, version=1, by=cast.carl)
    assert agrees(subscription)
    assert [kind for kind, _ in told()][1:] == ["content_logging.agreed", "content_logging.withdrawn", "content_logging.agreed"]


def test_nobody_agrees_to_what_they_have_not_read(api: Api, cast: Cast) -> None:
    subscription = asked(api, cast)
    with pytest.raises(NotAllowed, match="keeps nothing"):
        content_logging.agree(subscription, version=1, by=cast.carl)
    put(api)
    with pytest.raises(NotAllowed, match="was changed meanwhile"):
        content_logging.agree(subscription, version=2, by=cast.carl)
    subscriptions.cancel(subscription, by=cast.carl)
    with pytest.raises(NotAllowed, match="This subscription is cancelled"):
        content_logging.agree(subscription, version=1, by=cast.carl)
    assert not ContentConsent.objects.exists()


def test_many_are_looked_at_in_two_queries(api: Api, cast: Cast, django_assert_num_queries: Any) -> None:
    put(api)
    some = [asked(api, cast, logging_agreed=1) for _ in range(3)]
    some += [make.subscription()]
    loaded = list(Subscription.objects.select_related("api").filter(pk__in=[each.pk for each in some]))
    with django_assert_num_queries(2):
        found = content_logging.standings(loaded)
    assert sorted(each.agreed for each in found.values()) == [False, True, True, True]


def test_another_tenant_has_nothing_of_it(api: Api, cast: Cast) -> None:
    put(api)
    subscription = asked(api, cast, logging_agreed=1)
    with tenant_scope(cast.globex.pk):
        assert content_logging.of(api) is None
        assert not ContentLogging.objects.exists()
        assert not ContentConsent.objects.filter(subscription=subscription).exists()
