"""The demo publishes Portico's own REST API as any other, by the same rules."""

import pytest

from apis.models import ApiVersion, Plan
from apis.openapi import Document
from keys.envelope import unseal
from keys.kek import kek
from portal.demo import OWN_SLUG, own
from tenants.models import Role, ServiceAccount
from tests import make
from tests.conftest import Cast


@pytest.fixture(scope="module")
def document() -> Document:
    return own.document()


def test_its_operations_are_those_within_tenants_each_with_words_of_its_own(document: Document) -> None:
    assert {each.path.split("/")[1] for each in document.operations} == {"tenants"}
    assert len(document.operations) > 100
    assert document.lint is not None
    wanted = {"operation-summary", "operation-summary-unique", "operation-description", "operation-operationId", "operation-tags"}
    assert wanted <= document.lint.counts.keys()
    assert [(each.rule, each.named) for each in document.lint.findings if each.rule in wanted] == []


def test_it_is_published_with_an_account_behind_it_that_may_change_nothing(in_acme: Cast) -> None:
    petra = make.member(in_acme.acme, "petra@acme.example", Role.ADMIN, Role.PUBLISHER)
    own.publish_own(by=petra)
    version = ApiVersion.objects.get(api__slug=OWN_SLUG)
    assert version.status == ApiVersion.Status.PUBLISHED
    assert Plan.objects.get().approval == Plan.Approval.AUTOMATIC
    assert version.live_revision is not None
    upstream = version.live_revision.upstream
    assert upstream is not None
    assert upstream.header == "authorization"
    assert upstream.path == "/api/v1"
    account = ServiceAccount.objects.get()
    assert account.permissions == ["apis.see_published", "tenant.see"]
    assert unseal(upstream.sealed, upstream.sealed_for, kek()).startswith(b"ptc_svc_")
