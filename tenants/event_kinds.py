"""The closed vocabulary of events, and what each means to gateways. docs/events.md explains them to readers."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Part(StrEnum):
    """Which half of a tenant's configuration an event changes; receipts count them apart."""

    ROUTES = "routes"
    ACCESS = "access"


@dataclass(frozen=True, slots=True)
class Change:
    """How a kind of event changes what gateways enforce.

    `gives`: callers may do more after it. The closed configuration enforces what takes, never what gives.
    `gathered`: a developer can cause it and it takes nothing away, so it waits up to a second for others.
    """

    part: Part
    gives: bool
    gathered: bool = False


GATEWAY_KINDS: dict[str, Change] = {
    "api.cors_changed": Change(Part.ROUTES, gives=True),
    # Some of them give and some take; where nothing passes, it is not said that they are enforced.
    "api.policies_changed": Change(Part.ROUTES, gives=True),
    "version.prereleased": Change(Part.ROUTES, gives=True),
    "version.published": Change(Part.ROUTES, gives=True),
    "version.deprecated": Change(Part.ROUTES, gives=True),
    "version.sunset_changed": Change(Part.ROUTES, gives=True),
    "version.reinstated": Change(Part.ROUTES, gives=True),
    # With access: routes of an earlier revision obey them as well.
    "version.blocked": Change(Part.ACCESS, gives=False),
    "version.unblocked": Change(Part.ACCESS, gives=True),
    "version.retired": Change(Part.ACCESS, gives=False),
    "brown_out.began": Change(Part.ACCESS, gives=False),
    "brown_out.ended": Change(Part.ACCESS, gives=True),
    "brown_out.cancelled": Change(Part.ACCESS, gives=True),
    "revision.live": Change(Part.ROUTES, gives=True),
    "revision.test_opened": Change(Part.ROUTES, gives=True),
    # With access: gateways that went back to earlier routes obey it as well.
    "revision.test_closed": Change(Part.ACCESS, gives=False),
    "upstream.resolved": Change(Part.ROUTES, gives=True),
    "plan.published": Change(Part.ACCESS, gives=True),
    # A limit may grow or shrink; where nothing passes, it is not said that it is enforced.
    "plan.changed": Change(Part.ACCESS, gives=True),
    # With the subscriptions that end by it.
    "plan.closed": Change(Part.ACCESS, gives=False),
    "subscription.requested": Change(Part.ACCESS, gives=False, gathered=True),
    "subscription.added": Change(Part.ACCESS, gives=True),
    "subscription.approved": Change(Part.ACCESS, gives=True),
    "subscription.rejected": Change(Part.ACCESS, gives=False),
    "subscription.decision_undone": Change(Part.ACCESS, gives=False),
    "subscription.suspended": Change(Part.ACCESS, gives=False),
    "subscription.resumed": Change(Part.ACCESS, gives=True),
    "subscription.cancelled": Change(Part.ACCESS, gives=False),
    "quota.passed": Change(Part.ACCESS, gives=False),
    "quota.reset": Change(Part.ACCESS, gives=True),
    "quota.topped_up": Change(Part.ACCESS, gives=True),
    "subscription.started": Change(Part.ACCESS, gives=True),
    "subscription.expired": Change(Part.ACCESS, gives=False),
    # What has started is never put off, so calls may only pass earlier or for longer.
    "subscription.dates_changed": Change(Part.ACCESS, gives=True),
    # A limit may grow or shrink; where nothing passes, it is not said that it is enforced.
    "subscription.plan_changed": Change(Part.ACCESS, gives=True),
    "application.suspended": Change(Part.ACCESS, gives=False),
    "application.resumed": Change(Part.ACCESS, gives=True),
    "application.deleted": Change(Part.ACCESS, gives=False),
    "credential.created": Change(Part.ACCESS, gives=True, gathered=True),
    "credential.expired": Change(Part.ACCESS, gives=False),
    "credential.revoked": Change(Part.ACCESS, gives=False),
    "token.revoked": Change(Part.ACCESS, gives=False),
    "signing_key.published": Change(Part.ACCESS, gives=True),
    "signing_key.activated": Change(Part.ACCESS, gives=True),
    "signing_key.removed": Change(Part.ACCESS, gives=False),
    "signing_key.compromised": Change(Part.ACCESS, gives=False),
    "tenant.suspended": Change(Part.ACCESS, gives=False),
    "tenant.resumed": Change(Part.ACCESS, gives=True),
    "tenant.closing": Change(Part.ACCESS, gives=False),
    "tenant.reopened": Change(Part.ACCESS, gives=True),
    # A ceiling may rise or fall; where nothing passes, it is not said that it is enforced.
    "tenant.ceiling_changed": Change(Part.ACCESS, gives=True),
}

# What people hear of: to record one wakes the job that tells them, see portal/news.py. Approvals and rejections wake it themselves,
# once they can't be undone any more.
NEWS: frozenset[str] = frozenset(
    {
        "subscription.requested",
        "subscription.added",
        "subscription.asked",
        "subscription.answered",
        "subscription.approved_first",
        "subscription.overdue",
        "subscription.suspended",
        "subscription.resumed",
        "subscription.cancelled",
        "quota.warned",
        "quota.passed",
        "quota.topped_up",
        "subscription.started",
        "subscription.expired",
        "subscription.dates_changed",
        "subscription.plan_changed",
        "subscription.renewed",
        "subscription.ends_soon",
        "change_request.requested",
        "change_request.rejected",
        "credential.ends_soon",
        "credential.expired",
        "credential.revoked",
        "member.changed",
        "member.removed",
        "application.transferred",
        "application.requested",
        "application.approved",
        "application.rejected",
        "application.suspended",
        "application.resumed",
        "application.deleted",
        "service_account.ends_soon",
        "signing_key.compromised",
        "tenant.suspended",
        "tenant.resumed",
        "tenant.closing",
        "tenant.reopened",
        "gateway.rejected_config",
        "version.deprecated",
        "version.sunset_changed",
        "version.reinstated",
        "version.blocked",
        "version.unblocked",
        "version.retired",
        "brown_out.planned",
        "brown_out.cancelled",
        "plan.changed",
        "plan.deprecated",
        "plan.reinstated",
        "review.requested",
        "review.approved",
        "review.rejected",
        "document_source.found",
        "document_source.failing",
        "document_source.stopped",
        "certificate.ends_soon",
        "webhook.disabled",
    }
)

KINDS: frozenset[str] = frozenset(GATEWAY_KINDS) | {
    "tenant.created",
    "member.added",
    "member.changed",
    "api.created",
    "api.changed",
    "api.placed",
    "categories.changed",
    "version.created",
    "version.discarded",
    "version.acknowledged",
    "brown_out.planned",
    "revision.created",
    "api.request_form_changed",
    "api.review_changed",
    "review.requested",
    "review.approved",
    "review.rejected",
    "review.withdrawn",
    "document_source.set",
    "document_source.removed",
    "document_source.found",
    "document_source.failing",
    "document_source.stopped",
    "certificate.ends_soon",
    "lint.changed",
    "plan.created",
    "approval_rule.created",
    "approval_rule.changed",
    "approval_rule.deleted",
    "subscription.asked",
    "subscription.answered",
    "subscription.approved_first",
    "subscription.first_approval_undone",
    "subscription.overdue",
    "request_policy.changed",
    "quota.warned",
    "plan.shown",
    "subscription.renewed",
    "subscription.ends_soon",
    "change_request.requested",
    "change_request.approved",
    "change_request.approved_first",
    "change_request.rejected",
    "change_request.withdrawn",
    "plan.deprecated",
    "plan.reinstated",
    "application.created",
    "application.requested",
    "application.approved",
    "application.rejected",
    "application.changed",
    "application.tried",
    "credential.rolled",
    "credential.first_used",
    "credential.ends_soon",
    "signing_key.retired",
    "signing_key.brought_forward",
    "signing_key.rehearsed",
    "token_policy.changed",
    "api.encryption_key_changed",
    "calendar_feed.created",
    "calendar_feed.revoked",
    "gateway.rejected_config",
    "tenant.changed",
    "tenant.exported",
    "member.removed",
    "member.left",
    "member.joined",
    "invitation.created",
    "invitation.renewed",
    "invitation.accepted",
    "invitation.revoked",
    "invitation.expired",
    "role.created",
    "role.changed",
    "role.deleted",
    "delegation.created",
    "delegation.ended",
    "team.created",
    "team.changed",
    "team.deleted",
    "application.transferred",
    "api.transferred",
    "service_account.created",
    "service_account.changed",
    "service_account.rolled",
    "service_account.ends_soon",
    "service_account.revoked",
    "service_account.expired",
    "webhook.created",
    "webhook.changed",
    "webhook.rolled",
    "webhook.disabled",
    "webhook.deleted",
    "audit.exported",
    "identity_provider.changed",
    "identity_provider.removed",
    "identity.linked",
    "identity.unlinked",
}

# Approvals and rejections by a person can be taken back for so long; nobody is told of them before.
UNDOABLE = frozenset({"subscription.approved", "subscription.rejected"})
UNDONE = "subscription.decision_undone"
UNDO = timedelta(seconds=10)

# Of these webhooks tell. What takes an approval back follows what was never told.
HOOK_FAMILIES = ("subscription", "application", "credential", "version", "signing_key")
HOOKED: frozenset[str] = frozenset(kind for kind in KINDS if kind.partition(".")[0] in HOOK_FAMILIES) - {UNDONE}

PLATFORM_KINDS: frozenset[str] = frozenset(
    {
        "tenant.created",
        "gateway.registered",
        "gateway.token_issued",
        "gateway.node_joined",
        "gateway.node_lost",
        "login.succeeded",
        "login.refused",
        "login.refresh_reused",
        "login.password_changed",
        "person.renamed",
        "tenant.suspended",
        "tenant.resumed",
        "tenant.closing",
        "tenant.reopened",
        "tenant.ceiling_changed",
        "tenant.erased",
        "platform.changed",
        "person.signed_up",
        "person.deactivated",
        "person.reactivated",
        "email.verified",
        "login.password_reset",
        "login.signed_out",
        "mfa.authenticator_added",
        "mfa.authenticator_removed",
        "mfa.recovery_codes_made",
        "mfa.recovery_code_used",
    }
)
