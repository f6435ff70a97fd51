from celery import shared_task

from apis.actions import (
    budgets,
    certificate_ends,
    change_log,
    comparing,
    dates,
    drafts,
    importing,
    key_states,
    operation_uses,
    quotas,
    request_clock,
    resolving,
    sources,
    terms,
    testing,
    versions,
)
from tenants import due


@shared_task
def resolve_upstreams() -> int:
    return resolving.resolve_upstreams()


@shared_task
def read_documents() -> int:
    return importing.read_documents()


@shared_task
def look_at_sources() -> int:
    return sources.look_at_sources()


@shared_task
def expire_drafts() -> int:
    return due.run(drafts.EXPIRE_JOB, drafts.expire)


@shared_task
def warn_certificates() -> int:
    return due.run(certificate_ends.WARN_JOB, certificate_ends.warn_certificates)


@shared_task
def turn_brown_outs() -> int:
    return due.run(versions.BROWN_OUT_JOB, versions.turn_brown_outs)


@shared_task
def turn_subscriptions() -> int:
    return due.run(terms.TURN_JOB, dates.turn_subscriptions)


@shared_task
def end_tests() -> int:
    return due.run(testing.TEST_JOB, testing.end_due)


@shared_task
def escalate_requests() -> int:
    return due.run(request_clock.ESCALATE_JOB, request_clock.escalate)


@shared_task
def prune_operation_uses() -> int:
    return due.run(operation_uses.PRUNE_JOB, operation_uses.prune)


@shared_task
def turn_quotas() -> int:
    return due.run(quotas.JOB, quotas.turn)


@shared_task
def turn_budgets() -> int:
    return due.run(budgets.JOB, budgets.turn)


@shared_task
def turn_provider_keys() -> int:
    return due.run(key_states.JOB, key_states.turn)


@shared_task
def compare_what_went_live() -> int:
    return change_log.compare_what_went_live()


@shared_task
def compare_revisions() -> int:
    return comparing.compare_revisions()
