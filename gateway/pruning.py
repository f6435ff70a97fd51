"""Receipts that nothing asks for any more, and what was put right, or was over, long ago."""

from django.db import connection

from gateway.models import Drift, JoinToken

KEPT_DAYS = 30


def prune_receipts() -> int:
    """Delete receipts older than 30 days, but never a gateway's last one for a tenant. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """DELETE FROM gateway_receipt old WHERE old.at < now() - make_interval(days => %s) AND EXISTS (
                   SELECT 1 FROM gateway_receipt new
                   WHERE new.node_id = old.node_id AND new.tenant_id = old.tenant_id AND new.id > old.id)""",
            [KEPT_DAYS],
        )
        return cursor.rowcount


def prune_drift() -> int:
    """Delete what was put right more than 30 days ago; the events stay. Returns how much."""
    return Drift.objects.old().delete()[0]


def prune_join_tokens() -> int:
    """Delete those that let nobody in any more for 30 days; the platform's events stay. Returns how many."""
    return JoinToken.objects.old().delete()[0]
