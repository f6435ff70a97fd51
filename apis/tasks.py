from celery import shared_task

from apis.actions import resolving


@shared_task
def resolve_upstreams() -> int:
    return resolving.resolve_upstreams()
