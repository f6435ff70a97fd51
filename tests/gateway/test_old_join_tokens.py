"""What became of a join token is told for thirty days; then it goes, and the platform's events stay."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from gateway import nodes
from gateway.models import JoinToken
from gateway.pruning import prune_join_tokens
from tenants.models import PlatformEvent
from tests.conftest import Cast


def ago(days: float) -> Any:
    return timezone.now() - timedelta(days=days)


def test_those_that_were_over_for_thirty_days_go(cast: Cast) -> None:
    kept = {
        "waits": {},
        # Issued long ago, for as long as may be, and used or ended lately.
        "used": {"expires_at": ago(40), "used_at": ago(29)},
        "revoked": {"expires_at": ago(40), "revoked_at": ago(29)},
        "over": {"expires_at": ago(29)},
    }
    gone = {
        "was used": {"expires_at": ago(29), "used_at": ago(31)},
        "was revoked": {"expires_at": ago(29), "revoked_at": ago(31)},
        "was over": {"expires_at": ago(31)},
    }
    for name, fields in {**kept, **gone}.items():
        token, _ = nodes.issue_join_token(name.replace(" ", "-"), by=cast.olga)
        if fields:
            JoinToken.objects.filter(pk=token.pk).update(**fields)
    events = PlatformEvent.objects.count()
    assert prune_join_tokens() == len(gone)
    assert prune_join_tokens() == 0
    assert set(JoinToken.objects.values_list("name", flat=True)) == set(kept)
    assert PlatformEvent.objects.count() == events
