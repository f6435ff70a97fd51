"""What a person can do on a page, a program can do over REST; where it can't, it is said why."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import portal.pages.urls
from portal.stack.stack import PROJECT

# Each page that takes a POST, with the operations that do the same.
SAME: dict[str, str] = {
    "tenant-new": "tenants_create",
    "platform-tenants-suspend": "platform_tenants_suspend_create",
    "platform-tenants-ceiling": "platform_tenants_ceiling_create",
    "platform-tenants-resume": "platform_tenants_resume_create",
    "platform-person-close": "platform_people_close_create",
    "platform-person-open": "platform_people_open_create",
    "platform-gateway-group-new": "platform_gateway_groups_create",
    "platform-gateway-group-edit": "platform_gateway_groups_partial_update",
    "platform-gateway-group-delete": "platform_gateway_groups_destroy",
    "platform-gateway-place": "platform_gateways_groups_update",
    "platform-gateway-join-token-new": "platform_gateways_join_tokens_create",
    "platform-gateway-join-token-revoke": "platform_gateways_join_tokens_revoke_create",
    "platform-gateway-drain": "platform_gateways_drain_create",
    "platform-gateway-undrain": "platform_gateways_undrain_create",
    "platform-gateway-revoke": "platform_gateways_revoke_create",
    "platform-gateway-forget": "platform_gateways_forget_create",
    "platform-settings": "platform_settings_partial_update",
    "catalogue-subscribe": "tenants_subscriptions_create",
    "app-new": "tenants_applications_create",
    "app-subscribe-plans": "tenants_subscriptions_requests_create",
    "app-acknowledge": "tenants_apis_versions_acknowledge_create",
    "app-subscription-answer": "tenants_subscriptions_answer_create",
    "app-subscription-cancel": "tenants_subscriptions_cancel_create",
    "app-edit": "tenants_applications_partial_update",
    "app-suspend": "tenants_applications_suspend_create",
    "app-resume": "tenants_applications_resume_create",
    "app-delete": "tenants_applications_destroy",
    "app-transfer": "tenants_applications_transfer_create",
    "app-credential-new": "tenants_applications_credentials_create",
    "app-credential-roll": "tenants_applications_credentials_roll_create",
    "app-credential-revoke": "tenants_applications_credentials_revoke_create",
    "expiries-calendar": "tenants_calendar_feed_create",
    "expiries-calendar-end": "tenants_calendar_feed_destroy",
    "console-request-approve": "tenants_subscriptions_approve_create",
    "console-request-reject": "tenants_subscriptions_reject_create",
    "console-request-ask": "tenants_subscriptions_ask_create",
    "console-request-undo": "tenants_subscriptions_undo_create",
    "console-request-application-approve": "tenants_applications_approve_create",
    "console-request-application-reject": "tenants_applications_reject_create",
    "console-subscription-add": "tenants_subscriptions_added_create",
    "console-request-decide": "tenants_subscriptions_decisions_create",
    "console-request-clock": "tenants_request_policy_update",
    "console-api-question-new": "tenants_apis_request_form_update",
    "console-api-question-edit": "tenants_apis_request_form_update",
    "console-api-question-move": "tenants_apis_request_form_update",
    "console-api-question-remove": "tenants_apis_request_form_update",
    "console-request-change-approve": "tenants_change_requests_approve_create",
    "console-request-change-reject": "tenants_change_requests_reject_create",
    "console-request-delegation-new": "tenants_delegations_create",
    "console-request-delegation-end": "tenants_delegations_end_create",
    "console-subscription-dates": "tenants_subscriptions_dates_create",
    "app-subscription-plan": "tenants_subscriptions_change_plan_create",
    "app-subscription-renew": "tenants_subscriptions_renew_create",
    "app-subscription-withdraw": "tenants_change_requests_withdraw_create",
    "console-request-rule-new": "tenants_approval_rules_create",
    "console-request-rule-edit": "tenants_approval_rules_partial_update",
    "console-request-rule-switch": "tenants_approval_rules_partial_update",
    "console-request-rule-delete": "tenants_approval_rules_destroy",
    "console-subscription-suspend": "tenants_subscriptions_suspend_create",
    "console-subscription-resume": "tenants_subscriptions_resume_create",
    "console-subscription-cancel": "tenants_subscriptions_cancel_create",
    "console-subscription-top-up": "tenants_subscriptions_top_ups_create",
    "console-api-edit": "tenants_apis_partial_update",
    "console-api-placing": "tenants_apis_partial_update",
    "console-api-gateways": "tenants_apis_gateway_groups_update",
    "console-api-policies": "tenants_apis_policies_partial_update",
    "console-api-logs": "tenants_apis_log_shipping_update",
    "console-api-logs-test": "tenants_apis_log_shipping_test_create",
    "console-api-logs-remove": "tenants_apis_log_shipping_destroy",
    "console-api-contents": "tenants_apis_content_logging_update",
    "console-api-content": "tenants_apis_contents_retrieve",
    "console-api-contents-erase": "tenants_apis_contents_destroy",
    "app-subscription-logging-agree": "tenants_subscriptions_logging_consent_update",
    "app-subscription-logging-withdraw": "tenants_subscriptions_logging_consent_destroy",
    "console-api-review": "tenants_apis_review_update",
    "console-api-version-tools": "tenants_apis_versions_mcp_update",
    "console-api-version-new": "tenants_apis_versions_create",
    "console-api-version-publish": "tenants_apis_versions_publish_create",
    "console-api-version-prerelease": "tenants_apis_versions_prerelease_create",
    "console-api-version-block": "tenants_apis_versions_block_create",
    "console-api-version-unblock": "tenants_apis_versions_unblock_create",
    "console-api-version-deprecate": "tenants_apis_versions_deprecate_create",
    "console-api-version-sunset": "tenants_apis_versions_sunset_create",
    "console-api-version-reinstate": "tenants_apis_versions_reinstate_create",
    "console-api-version-retire": "tenants_apis_versions_retire_create",
    "console-api-version-brown-out": "tenants_apis_versions_brown_outs_create",
    "console-api-version-brown-out-cancel": "tenants_apis_versions_brown_outs_cancel_create",
    "console-api-source": "tenants_apis_versions_source_update",
    "console-api-source-look": "tenants_apis_versions_source_look_create",
    "console-api-source-remove": "tenants_apis_versions_source_destroy",
    # The wizard does in five steps what a program does with as many requests.
    "console-api-new": "tenants_apis_create tenants_apis_versions_create tenants_apis_versions_revisions_create",
    "console-api-new-check": "tenants_apis_versions_revisions_lint_retrieve",
    "console-api-new-upstream": "tenants_apis_versions_revisions_create",
    "console-api-new-plan": "tenants_apis_plans_create tenants_apis_plans_publish_create tenants_apis_versions_publish_create",
    "console-api-revision-new": "tenants_apis_versions_revisions_create tenants_apis_versions_imports_create",
    "console-api-revision-live": "tenants_apis_versions_revisions_live_create",
    "console-api-revision-test": "tenants_apis_versions_revisions_test_update",
    "console-api-revision-test-close": "tenants_apis_versions_revisions_test_destroy",
    "console-api-revision-review": "tenants_apis_versions_revisions_reviews_create",
    "console-api-revision-approve": "tenants_apis_versions_revisions_reviews_approve_create",
    "console-api-revision-reject": "tenants_apis_versions_revisions_reviews_reject_create",
    "console-api-revision-withdraw": "tenants_apis_versions_revisions_reviews_withdraw_create",
    "console-settings-lint": "tenants_lint_rules_partial_update",
    "console-plan-new": "tenants_apis_plans_create",
    "console-plan-publish": "tenants_apis_plans_publish_create",
    "console-plan-budget": "tenants_apis_plans_partial_update",
    "console-plan-change": "tenants_apis_plans_partial_update",
    "console-provider-budget": "tenants_budget_update",
    "console-subscription-budget-top-up": "tenants_subscriptions_budget_top_ups_create",
    "console-plan-audience": "tenants_apis_plans_partial_update",
    "console-plan-deprecate": "tenants_apis_plans_deprecate_create",
    "console-plan-reinstate": "tenants_apis_plans_reinstate_create",
    "console-plan-close": "tenants_apis_plans_close_create",
    "console-keys-rehearse": "tenants_signing_keys_rehearse_create",
    "console-keys-rotate": "tenants_signing_keys_rotate_create",
    "console-key-compromise": "tenants_signing_keys_compromise_create",
    "console-keys-policy": "tenants_token_policy_partial_update",
    "console-member-edit": "tenants_members_partial_update",
    "console-member-remove": "tenants_members_destroy",
    "console-member-invite": "invitations_create",
    "console-member-invitation-resend": "tenants_invitations_resend_create",
    "console-member-invitation-revoke": "tenants_invitations_revoke_create",
    "member-leave": "tenants_leave_create",
    "console-member-role-new": "tenants_roles_create",
    "console-member-role": "tenants_roles_partial_update",
    "console-member-role-delete": "tenants_roles_destroy",
    "team-new": "tenants_teams_create",
    "team-edit": "tenants_teams_partial_update",
    "team-delete": "tenants_teams_destroy",
    "team-add": "tenants_teams_members_update",
    "team-lead": "tenants_teams_lead_create",
    "team-remove": "tenants_teams_members_destroy",
    "console-service-new": "tenants_service_accounts_create",
    "console-service-edit": "tenants_service_accounts_partial_update",
    "console-service-roll": "tenants_service_accounts_roll_create",
    "console-service-revoke": "tenants_service_accounts_revoke_create",
    "console-settings": "tenants_settings_partial_update",
    "console-settings-categories": "tenants_categories_update",
    "console-settings-domain-new": "tenants_domains_create",
    "console-settings-domain-certificate": "tenants_domains_certificate_update",
    "console-settings-domain-check": "tenants_domains_check_create",
    "console-settings-domain-remove": "tenants_domains_destroy",
    "console-settings-sign-in": "tenants_settings_identity_provider_update",
    "console-settings-sign-in-remove": "tenants_settings_identity_provider_destroy",
    "console-settings-export": "export",
    "console-settings-close": "tenants_close_create",
    "console-settings-reopen": "tenants_reopen_create",
    "console-event-export": "tenants_events_export_retrieve",
    "console-webhook-new": "tenants_webhooks_create",
    "console-webhook-edit": "tenants_webhooks_partial_update",
    "console-webhook-enable": "tenants_webhooks_partial_update",
    "console-webhook-disable": "tenants_webhooks_partial_update",
    "console-webhook-delete": "tenants_webhooks_destroy",
    "console-webhook-roll": "tenants_webhooks_roll_create",
    "console-webhook-test": "tenants_webhooks_test_create",
    "console-webhook-redeliver-failed": "tenants_webhooks_redeliver_create",
    "console-webhook-delivery-redeliver": "tenants_webhooks_deliveries_redeliver_create",
    "console-webhook-delivery-give-up": "tenants_webhooks_deliveries_give_up_create",
    "console-api-ai-new": "tenants_ai_apis_create",
    "console-api-models": "tenants_apis_ai_create",
    "console-api-rails": "tenants_apis_ai_create",
    "console-api-prompt-new": "tenants_apis_ai_create",
    "console-api-prompt-edit": "tenants_apis_ai_create",
    "console-api-prompt-remove": "tenants_apis_ai_create",
    "console-provider-alias-new": "tenants_model_aliases_create",
    "console-provider-alias-edit": "tenants_model_aliases_partial_update",
    "console-provider-alias-delete": "tenants_model_aliases_destroy",
    "console-provider-connect": "tenants_providers_create",
    "console-provider-edit": "tenants_providers_partial_update",
    "console-provider-remove": "tenants_providers_destroy",
    "console-provider-key-new": "tenants_providers_keys_create",
    "console-provider-key-edit": "tenants_providers_keys_partial_update",
    "console-provider-key-on": "tenants_providers_keys_partial_update",
    "console-provider-key-off": "tenants_providers_keys_partial_update",
    "console-provider-key-remove": "tenants_providers_keys_destroy",
    "console-provider-key-test": "tenants_providers_keys_test_create",
    "console-provider-model-new": "tenants_providers_models_create",
    "console-provider-model-edit": "tenants_providers_models_partial_update",
    "console-provider-model-remove": "tenants_providers_models_destroy",
    "usage-alert-new": "tenants_usage_alerts_create",
    "usage-alert-edit": "tenants_usage_alerts_partial_update",
    "usage-alert-mute": "tenants_usage_alerts_partial_update",
    "usage-alert-delete": "tenants_usage_alerts_destroy",
    "inbox-read": "tenants_inbox_read_all tenants_inbox_read_create",
    "inbox-preferences": "tenants_inbox_preferences_update",
}
_OWN = "one's own account, which its person changes themselves"
_PROOF = "it asks its person to show once more who they are"
_DRAFT = "a draft is what the wizard keeps between its steps"
# What no program does, and why.
PEOPLE_ALONE: dict[str, str] = {
    "profile": _OWN,
    "profile-theme": _OWN,
    "account_change_password": _OWN,
    "mfa_activate_totp": _OWN,
    "mfa_deactivate_totp": _OWN,
    "mfa_add_webauthn": _OWN,
    "mfa_edit_webauthn": _OWN,
    "mfa_remove_webauthn": _OWN,
    "mfa_generate_recovery_codes": _OWN,
    "account_reauthenticate": _PROOF,
    "mfa_reauthenticate": _PROOF,
    "mfa_reauthenticate_webauthn": _PROOF,
    "session-end": "sessions of a browser; a program ends its own with DELETE session/",
    "sessions-end-others": "sessions of a browser",
    "catalogue-try": "a token for one call from a page; a program has its application's",
    "console-api-new-begin": _DRAFT,
    "console-api-new-discard": _DRAFT,
    "invitation": "its link came by mail, to a person who may have no account yet",
    "join": "who joins is no member yet, and to programs a tenant that they are not in does not exist",
    "console-settings-logo": "a picture, cut and looked at before it is kept",
    "console-settings-sign-in-test": "it leads through the provider's own pages",
    "console-settings-sign-in-undo": "whose sign-in is linked stands on the page alone",
    "console-event-chain": "a program checks the chain itself, from the export, with manage.py verify_audit",
}


def methods(view: Callable[..., Any]) -> set[str]:
    """What a view answers, by what its decorators were given; everything where none was."""
    left, seen = [view], set()
    while left:
        one = left.pop()
        seen.add(id(one))
        for cell in getattr(one, "__closure__", None) or ():
            held = cell.cell_contents
            if isinstance(held, list | tuple) and "GET" in held:
                return set(held)
            if callable(held) and id(held) not in seen:
                left.append(held)
    return {"GET", "POST"}


def taking_posts() -> Iterator[str]:
    for pattern in portal.pages.urls.urlpatterns:
        if "POST" in methods(pattern.callback):
            yield str(pattern.name)


@pytest.fixture(scope="module")
def operations() -> set[str]:
    document = yaml.safe_load((Path(PROJECT) / "tests" / "openapi.yml").read_text())
    return {operation["operationId"] for path in document["paths"].values() for operation in path.values()}


def test_every_page_that_changes_something_has_its_operation_or_its_reason() -> None:
    assert not SAME.keys() & PEOPLE_ALONE.keys()
    assert sorted(taking_posts()) == sorted([*SAME, *PEOPLE_ALONE])


def test_the_operations_exist(operations: set[str]) -> None:
    named = {operation for each in SAME.values() for operation in each.split()}
    assert named - operations == set()


def test_what_changes_something_and_has_no_page_is_few(operations: set[str]) -> None:
    """To sign in, to describe a whole tenant in one document, and what machines do by themselves."""
    named = {operation for each in SAME.values() for operation in each.split()}
    changing = {each for each in operations if not each.endswith(("_retrieve", "_list"))}
    assert changing - named == {
        "session_create", "session_refresh_create", "session_destroy",
        "tenants_description_plan_create", "tenants_description_apply_create",
        "gateways_join_create", "gateways_roll_create",
    }  # fmt: skip
