from celery import shared_task
from django.core.management import call_command

from gateway import contents, domain_checks, domains, erasing, pruning, rotation, usage_alerts
from gateway.usage import days, freshness, rolling
from tenants import due, throttle


@shared_task
def prune() -> None:
    """What has had its time: sign-in counts, sessions, usage processes and join tokens that ended, receipts that newer ones cover."""
    throttle.prune()
    pruning.prune_receipts()
    freshness.prune()
    pruning.prune_drift()
    pruning.prune_join_tokens()
    call_command("flushexpiredtokens")
    call_command("clearsessions")


@shared_task
def advance_signing_keys() -> int:
    return rotation.advance_all()


@shared_task
def erase_tenants() -> int:
    return erasing.erase_all()


@shared_task
def check_domains() -> int:
    return domain_checks.check_domains()


@shared_task
def warn_domains() -> int:
    return due.run(domains.WARN_JOB, domains.warn)


@shared_task
def watch_usage() -> int:
    return due.run(usage_alerts.JOB, usage_alerts.watch)


@shared_task
def turn_usage_days() -> int:
    return days.turn()


@shared_task
def roll_up_usage() -> int:
    return rolling.roll_up_all()


@shared_task
def prune_usage() -> int:
    return rolling.prune_all()


@shared_task
def prune_contents() -> int:
    return due.run(contents.JOB, contents.prune)
