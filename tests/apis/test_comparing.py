"""Large revisions are compared by a job, so that nobody waits for it."""

import copy
import json
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from apis import compared
from apis.actions import comparing, publishing
from apis.differences import Differences
from apis.differences import differences as compare
from apis.models import ApiVersion, Comparison, Revision
from apis.tasks import compare_revisions as job
from tenants.models import Due
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.make import DOCUMENT


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "LARGE", 1)


@pytest.fixture(autouse=True)
def _nothing_is_known() -> None:
    compared._kept.found.clear()


def next_one(version: ApiVersion, change: str = "Every order") -> Revision:
    content: dict[str, Any] = copy.deepcopy(DOCUMENT)
    content["paths"]["/orders"]["get"]["summary"] = change
    del content["paths"]["/orders"]["post"]
    return publishing.add_revision(version, document=make.document(content), target=make.target(), by=None)


def run() -> int:
    Due.objects.filter(job=comparing.COMPARE_JOB).update(at=Now() - timedelta(hours=1))
    return job()


def read(pk: Any) -> Revision:
    return Revision.objects.defer("document").select_related("upstream").get(pk=pk)


def told(old: Any, new: Any) -> tuple[Differences, bool]:
    """What changes, and whether a document was read for it."""
    compared._kept.found.clear()
    one, other = read(old), read(new)
    with CaptureQueriesContext(connection) as found:
        changes = compared.compared(one, other)
    return changes, any('"document"' in each["sql"] for each in found.captured_queries)


@pytest.fixture
def pair(cast: Cast) -> tuple[Any, Any]:
    with tenant_scope(cast.acme.pk):
        version = make.api("orders").versions.get()
        return version.live_revision_id, next_one(version).pk


def test_what_the_job_found_is_what_would_be_found(cast: Cast, pair: tuple[Any, Any]) -> None:
    said: dict[str, Differences] = {}
    with tenant_scope(cast.acme.pk):
        for language in ("en", "de", "zh-hans"):
            with translation.override(language):
                said[language], was_read = told(*pair)
                assert was_read
    assert run() == 1
    assert not Due.objects.filter(job=comparing.COMPARE_JOB).exists()
    with tenant_scope(cast.acme.pk):
        for language, wanted in said.items():
            with translation.override(language):
                assert told(*pair) == (wanted, False)
    assert len(said["en"].removed) == 1
    assert len({str(each) for each in said.values()}) == 3
    assert run() == 0


def test_what_says_nothing_new_is_not_compared_again(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        version = make.api("orders").versions.get()
        live = version.live_revision_id
        same = publishing.add_revision(version, document=make.document(), target=make.target(), by=None)
    assert run() == 1
    with tenant_scope(cast.acme.pk):
        assert told(live, same.pk) == (Differences(), False)


def test_of_sunsets_it_is_true_on_one_day(cast: Cast) -> None:
    content = json.loads(json.dumps(DOCUMENT))
    content["paths"]["/orders"]["post"] |= {"deprecated": True, "x-sunset": "2031-01-01"}
    with tenant_scope(cast.acme.pk):
        version = make.api("orders", content=content).versions.get()
        new = next_one(version)
        live = version.live_revision_id
    assert run() == 1
    with tenant_scope(cast.acme.pk):
        assert not told(live, new.pk)[1]
        Comparison.objects.update(day=date(2020, 1, 1))
        assert told(live, new.pk)[1]


def test_small_ones_and_the_first_one_do_not_wait_for_it(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    with tenant_scope(cast.acme.pk):
        version = make.api("orders").versions.get()
        monkeypatch.setattr(comparing, "LARGE", 300)
        next_one(version)
        assert not Comparison.objects.exists()
    assert not Due.objects.filter(job=comparing.COMPARE_JOB).exists()


def test_others_than_against_the_live_one_are_given_up(cast: Cast, pair: tuple[Any, Any]) -> None:
    assert run() == 1
    with tenant_scope(cast.acme.pk):
        second = Revision.objects.get(pk=pair[1])
        publishing.make_live(second, by=cast.pam)
        third = next_one(second.version, "All of them")
    assert run() == 1
    with tenant_scope(cast.acme.pk):
        assert list(Comparison.objects.values_list("old", "new")) == [(second.pk, third.pk)]


@pytest.fixture
def hopeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The revision called “Broken” can not be compared."""

    def differences(old: Any, new: Any, **more: Any) -> Differences:
        if new["paths"]["/orders"]["get"]["summary"] == "Broken":
            raise RuntimeError
        return compare(old, new, **more)

    monkeypatch.setattr(comparing, "differences", differences)


def test_one_that_can_not_be_compared_holds_up_no_other(
    cast: Cast, pair: tuple[Any, Any], hopeless: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with tenant_scope(cast.acme.pk):
        broken = next_one(Revision.objects.get(pk=pair[0]).version, "Broken")
    assert run() == 1
    assert "could not be compared" in caplog.text
    with tenant_scope(cast.acme.pk):
        assert not told(*pair)[1]
        assert Comparison.objects.get(said__isnull=True).new_id == broken.pk
    assert Due.objects.filter(job=comparing.COMPARE_JOB, at__gt=Now()).exists(), "it is tried again later"
    monkeypatch.setattr(comparing, "differences", compare)
    assert run() == 1


def test_what_waits_against_the_live_one_is_not_given_up_with_others(cast: Cast, pair: tuple[Any, Any], hopeless: None) -> None:
    with tenant_scope(cast.acme.pk):
        second = Revision.objects.get(pk=pair[1])
        publishing.make_live(second, by=cast.pam)
        third = next_one(second.version, "Broken")
    assert run() == 1
    with tenant_scope(cast.acme.pk):
        assert list(Comparison.objects.values_list("old", "new", "said")) == [(second.pk, third.pk, None)]
