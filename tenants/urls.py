"""REST inside a tenant, below /api/v1/tenants/<tenant>/."""

from django.urls import path

from tenants import rest, rest_delegations, rest_members, rest_roles, rest_settings, rest_teams, rest_tenants

urlpatterns = [
    *rest_tenants.urlpatterns,
    path("", rest.TenantDetail.as_view(), name="tenant"),
    path("members/", rest_members.Members.as_view(), name="members"),
    path("invitations/", rest_members.Invitations.as_view(), name="invitations"),
    path("invitations/<uuid:pk>/resend/", rest_members.InvitationResend.as_view(), name="invitation-resend"),
    path("invitations/<uuid:pk>/revoke/", rest_members.InvitationRevoke.as_view(), name="invitation-revoke"),
    path("roles/", rest_roles.Roles.as_view(), name="roles"),
    path("roles/<uuid:role>/", rest_roles.RoleDetail.as_view(), name="role"),
    path("teams/", rest_teams.Teams.as_view(), name="rest-teams"),
    path("teams/<uuid:team>/", rest_teams.TeamDetail.as_view(), name="rest-team"),
    path("teams/<uuid:team>/members/", rest_teams.TeamMembers.as_view(), name="rest-team-members"),
    path("teams/<uuid:team>/members/<uuid:member>/", rest_teams.TeamMemberDetail.as_view(), name="rest-team-member"),
    path("delegations/", rest_delegations.Delegations.as_view(), name="delegations"),
    path("delegations/<uuid:pk>/", rest_delegations.DelegationDetail.as_view(), name="delegation"),
    path("delegations/<uuid:pk>/end/", rest_delegations.DelegationEnd.as_view(), name="delegation-end"),
    path("settings/", rest_settings.Settings.as_view(), name="settings"),
    path("events/", rest.Events.as_view(), name="events"),
]
