"""What one tenant may have is bounded, and the sentence says so."""

from pathlib import Path

import pytest
from django.conf import settings

from apis.actions import publishing, subscriptions
from apis.models import Api, ApiVersion, Revision, Subscription
from keys.models import Application
from tenants import limits
from tenants.errors import NotAllowed
from tests import make
from tests.conftest import Cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in names():
        monkeypatch.setattr(limits, name, 1_000)
    return monkeypatch


def names() -> list[str]:
    return [name for name in vars(limits) if name.isupper()]


def test_apis_of_a_tenant(in_acme: Cast, few: pytest.MonkeyPatch) -> None:
    make.api()
    few.setattr(limits, "APIS", 1)
    with pytest.raises(NotAllowed, match="There are 1 APIs here, which is as many as a tenant may have"):
        make.api()
    assert Api.objects.count() == 1


def test_versions_of_an_api(in_acme: Cast, few: pytest.MonkeyPatch) -> None:
    one, other = make.api(), make.api()
    few.setattr(limits, "VERSIONS_PER_API", 2)
    publishing.add_version(one, name="v2", by=None)
    with pytest.raises(NotAllowed, match="has 2 versions, which is as many as an API may have"):
        publishing.add_version(one, name="v3", by=None)
    publishing.add_version(other, name="v2", by=None)
    assert ApiVersion.objects.count() == 4


def revision(of: Api) -> Revision:
    """Another one with the three operations of make.DOCUMENT."""
    return publishing.add_revision(of.versions.get(), document=make.document(), target=make.target(), by=None)


def test_live_operations_when_a_version_is_published(in_acme: Cast, few: pytest.MonkeyPatch) -> None:
    few.setattr(limits, "LIVE_OPERATIONS", 6)
    for _ in range(2):
        make.api()
    third = make.api(published=False).versions.get()
    sentence = "Revision 1 has 3 operations, and 6 of this tenant are live; together at most 6 may be"
    with pytest.raises(NotAllowed, match=sentence):
        publishing.publish(third, by=None)
    third.refresh_from_db()
    assert third.status == "created"


def test_live_operations_when_another_revision_is_made_live(in_acme: Cast, few: pytest.MonkeyPatch) -> None:
    api, other = make.api(), make.api(published=False)
    few.setattr(limits, "LIVE_OPERATIONS", 3)
    # It takes the place of the one before, and what is not published is no route.
    publishing.make_live(revision(api), by=None)
    publishing.make_live(revision(other), by=None)
    few.setattr(limits, "LIVE_OPERATIONS", 2)
    with pytest.raises(NotAllowed, match="has 3 operations, and 0 of this tenant are live"):
        publishing.make_live(revision(api), by=None)
    live = api.versions.get().live_revision
    assert live is not None
    assert live.number == 2


def test_applications_of_a_person(in_acme: Cast, few: pytest.MonkeyPatch) -> None:
    make.application(in_acme.carl)
    few.setattr(limits, "APPLICATIONS_PER_PERSON", 1)
    with pytest.raises(NotAllowed, match="You have 1 applications here, which is as many as one person may have"):
        make.application(in_acme.carl)
    make.application(in_acme.ada)
    assert Application.objects.count() == 2


def test_open_subscriptions_of_an_application(in_acme: Cast, few: pytest.MonkeyPatch) -> None:
    carl = make.application(in_acme.carl)
    standing = make.subscription(of=carl)
    few.setattr(limits, "OPEN_SUBSCRIPTIONS_PER_APPLICATION", 1)
    with pytest.raises(NotAllowed, match="has 1 open subscriptions, which is as many as an application may have; cancel one"):
        make.subscription(of=carl)
    make.subscription(of=make.application(in_acme.carl))
    subscriptions.cancel(standing, by=in_acme.carl)
    make.subscription(of=carl)
    assert Subscription.objects.open().count() == 2


def test_scopes_of_published_apis(in_acme: Cast, few: pytest.MonkeyPatch) -> None:
    few.setattr(limits, "SCOPES", 1)
    api = make.api(content=make.SCOPED, published=False)
    with pytest.raises(NotAllowed, match="The APIs of this tenant would have 2 scopes together; at most 1 may be"):
        publishing.publish(api.versions.get(), by=None)
    assert api.versions.get().status == ApiVersion.Status.CREATED
    few.setattr(limits, "SCOPES", 2)
    publishing.publish(api.versions.get(), by=None)
    # The same scopes once more are no more of them.
    make.api(content=make.SCOPED)


def test_open_subscriptions_of_a_tenant(in_acme: Cast, few: pytest.MonkeyPatch) -> None:
    make.subscription()
    few.setattr(limits, "OPEN_SUBSCRIPTIONS", 1)
    with pytest.raises(NotAllowed, match="There are 1 open subscriptions here, which is as many as a tenant may have"):
        make.subscription()
    assert Subscription.objects.count() == 1


def test_every_limit_stands_in_the_docs() -> None:
    text = (Path(settings.BASE_DIR) / "docs/limits.md").read_text()
    for name in names():
        assert f"| `{name}` | {getattr(limits, name):,} |" in text
