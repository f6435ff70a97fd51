from celery import shared_task

from keys.actions import credentials, expiries, heads, records, service_accounts, webhook_sending, webhooks
from tenants import due


@shared_task
def expire_credentials() -> int:
    return due.run(credentials.EXPIRE_JOB, credentials.expire_credentials)


@shared_task
def expire_service_accounts() -> int:
    return due.run(service_accounts.EXPIRE_JOB, service_accounts.expire_service_accounts)


@shared_task
def warn_expiries() -> int:
    return due.run(expiries.WARN_JOB, expiries.warn_expiries)


@shared_task
def prune_token_records() -> int:
    return due.run(records.PRUNE_JOB, records.prune_token_records)


@shared_task
def sign_heads() -> int:
    return heads.sign_heads()


@shared_task
def send_webhooks() -> int:
    return webhook_sending.send_webhooks()


@shared_task
def prune_webhook_deliveries() -> int:
    return due.run(webhooks.PRUNE_JOB, webhooks.prune_webhook_deliveries)
