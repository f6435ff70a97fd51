from celery import shared_task

from portal import account_mails, browsers, inbox, outbox, post, sizes
from tenants import due, idempotency
from tenants.people import delegations, invitations


@shared_task
def send_mails() -> int:
    return post.send_mails()


@shared_task
def send_account_mails() -> int:
    return account_mails.send_account_mails()


@shared_task
def send_digests() -> int:
    return post.send_digests()


@shared_task
def prune_notifications() -> int:
    return due.run(inbox.PRUNE_JOB, inbox.prune)


@shared_task
def expire_invitations() -> int:
    return due.run(invitations.EXPIRE_JOB, invitations.expire_invitations)


@shared_task
def end_delegations() -> int:
    return due.run(delegations.END_JOB, delegations.end_due)


@shared_task
def forget_answers() -> int:
    return due.run(idempotency.JOB, idempotency.forget)


@shared_task
def prune_mails() -> int:
    return outbox.prune()


@shared_task
def prune_browsers() -> int:
    return browsers.prune()


@shared_task
def measure_tenants() -> int:
    return sizes.measure_tenants()
