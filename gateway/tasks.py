from celery import shared_task
from django.core.management import call_command

from gateway import erasing, pruning, rotation
from tenants import throttle


@shared_task
def prune() -> None:
    """What has had its time: sign-in counts, sessions that ended, receipts that newer ones cover."""
    throttle.prune()
    pruning.prune_receipts()
    pruning.prune_drift()
    call_command("flushexpiredtokens")
    call_command("clearsessions")


@shared_task
def advance_signing_keys() -> int:
    return rotation.advance_all()


@shared_task
def erase_tenants() -> int:
    return erasing.erase_all()
