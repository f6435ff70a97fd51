"""A gateway's own words name what lies inside, so not everybody reads them."""

from dataclasses import replace
from typing import Any

import pytest

from gateway import receipts
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

WORDS = "upstream orders.internal:8443: /etc/ssl/inside.pem"


@pytest.fixture
def number(cast: Cast, monkeypatch: Any) -> int:
    """Of Carl's own request, which a gateway refused."""
    whole = receipts.receipt
    node = receipts.NodeReceipt("edge", receipts.State.REFUSED, detail=WORDS)
    monkeypatch.setattr(receipts, "receipt", lambda event: replace(whole(event), gateways=(node,)))
    with tenant_scope(cast.acme.pk):
        subscription = make.subscription(of=make.application(cast.carl))
        return Event.objects.filter(subject_id=subscription.pk, actor_id=cast.carl.pk).latest("number").number


@pytest.mark.parametrize("who,detail", [("ada", WORDS), ("carl", "")])
def test_only_who_sees_gateways_reads_their_words(cast: Cast, rest: Rest, number: int, who: str, detail: str) -> None:
    answer = rest(getattr(cast, who)).get(f"{base(cast.acme)}/receipts/{number}/")
    assert answer.status_code == 200
    (gateway,) = answer.json()["gateways"]
    assert (gateway["gateway"], gateway["state"], gateway["detail"]) == ("edge", "refused", detail)
    assert "orders.internal" not in answer.json()["sentence"]
