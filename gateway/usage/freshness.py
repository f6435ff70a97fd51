"""How far a usage process has written, for who reads its tables."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from gateway.models import UsageFreshness

# One that was killed says for so long what it had lost before.
KEPT = timedelta(days=7)


def tell(process: UUID, *, started_at: datetime, written_until: datetime, waiting: int, lost: int) -> None:
    """:param lost: calls since the last time."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO gateway_usagefreshness AS kept (id, started_at, seen_at, written_until, waiting, lost, lost_at)
                   VALUES (%(id)s, %(started)s, now(), %(until)s, %(waiting)s, %(lost)s, CASE WHEN %(lost)s > 0 THEN now() END)
               ON CONFLICT (id) DO UPDATE SET
                   seen_at = EXCLUDED.seen_at, written_until = EXCLUDED.written_until, waiting = EXCLUDED.waiting,
                   lost = kept.lost + EXCLUDED.lost, lost_at = coalesce(EXCLUDED.lost_at, kept.lost_at)""",
            {"id": process, "started": started_at, "until": written_until, "waiting": waiting, "lost": lost},
        )


def prune() -> None:
    UsageFreshness.objects.filter(seen_at__lt=Now() - KEPT).delete()
