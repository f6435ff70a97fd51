"""How the calls of a version went is added up by day, and forgotten after ninety."""

from datetime import UTC, timedelta

import pytest
from django.utils import timezone

from apis.actions import operation_uses
from apis.actions.version_days import Outcome, store
from apis.models import ApiVersion, VersionDay
from tenants import events
from tenants.models import Due
from tests import make
from tests.conftest import Cast

OK, UPSTREAM, GATEWAY = Outcome


@pytest.fixture
def version(in_acme: Cast) -> ApiVersion:
    return make.api("orders").versions.get()


def kept() -> list[tuple[int, int, int]]:
    return list(VersionDay.objects.order_by("day").values_list("answered", "failed_upstream", "failed_gateway"))


def test_they_are_added_up(in_acme: Cast, version: ApiVersion) -> None:
    store(in_acme.acme.pk, {("orders", "v1", OK): 5, ("orders", "v1", UPSTREAM): 2, ("orders", "v9", OK): 9, ("none", "v1", GATEWAY): 9})
    store(in_acme.acme.pk, {("orders", "v1", OK): 1, ("orders", "v1", GATEWAY): 1})
    assert kept() == [(6, 2, 1)]
    assert VersionDay.objects.get().day == timezone.now().astimezone(UTC).date()
    assert Due.objects.filter(tenant=in_acme.acme, job=operation_uses.PRUNE_JOB).exists()


def test_another_tenants_api_of_the_same_name_is_another(in_acme: Cast, version: ApiVersion) -> None:
    store(in_acme.globex.pk, {("orders", "v1", OK): 5})
    assert kept() == []


def test_they_are_forgotten_after_ninety_days(in_acme: Cast, version: ApiVersion) -> None:
    today = timezone.now().astimezone(UTC).date()
    for ago in (89, 90, 91):
        VersionDay.objects.create(version=version, day=today - timedelta(days=ago), answered=ago)
    events.lock()
    assert operation_uses.prune() is not None
    assert operation_uses.prune() is not None
    assert kept() == [(89, 0, 0)]
    VersionDay.objects.all().delete()
    assert operation_uses.prune() is None
