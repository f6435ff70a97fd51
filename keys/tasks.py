from celery import shared_task

from keys import actions
from tenants import due


@shared_task
def expire_credentials() -> int:
    return due.run(actions.EXPIRE_JOB, actions.expire_credentials)
