from celery import shared_task

from keys.actions import credentials, expiries, records
from tenants import due


@shared_task
def expire_credentials() -> int:
    return due.run(credentials.EXPIRE_JOB, credentials.expire_credentials)


@shared_task
def warn_expiries() -> int:
    return due.run(expiries.WARN_JOB, expiries.warn_expiries)


@shared_task
def prune_token_records() -> int:
    return due.run(records.PRUNE_JOB, records.prune_token_records)
