from celery import shared_task

from apis.actions import drafts, resolving
from tenants import due


@shared_task
def resolve_upstreams() -> int:
    return resolving.resolve_upstreams()


@shared_task
def expire_drafts() -> int:
    return due.run(drafts.EXPIRE_JOB, drafts.expire)
