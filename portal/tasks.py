from celery import shared_task

from portal import outbox, post


@shared_task
def send_mails() -> int:
    return post.send_mails()


@shared_task
def prune_mails() -> int:
    return outbox.prune()
