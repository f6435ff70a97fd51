from typing import ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from tenants.models.base import TenantManager, TenantModel


class Role(models.TextChoices):
    ADMIN = "admin", _("Admin")
    PUBLISHER = "publisher", _("Publisher")
    APPROVER = "approver", _("Approver")
    DEVELOPER = "developer", _("Developer")
    AUDITOR = "auditor", _("Auditor")


class CustomRoleQuerySet(models.QuerySet["CustomRole"]):
    def with_holders(self) -> Self:
        """With `holders`: how many members hold it."""
        holders = RawSQL(
            """(SELECT count(*) FROM tenants_membership m
                WHERE m.tenant_id = tenants_customrole.tenant_id AND NOT m.custom_roles = '{}'
                AND m.custom_roles @> ARRAY[tenants_customrole.id])""",
            [],
            models.IntegerField(),
        )
        return self.annotate(holders=holders)


CustomRoleManager = TenantManager.from_queryset(CustomRoleQuerySet)


class CustomRole(TenantModel):
    """A role of the tenant's own: a name for a set of permissions of tenants.roles."""

    name = models.CharField(max_length=40)
    description = models.CharField(max_length=200, blank=True)
    permissions = ArrayField(models.CharField(max_length=40), default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[CustomRoleManager["CustomRole"]] = CustomRoleManager()

    class Meta:
        verbose_name = "role"
        constraints = [
            models.UniqueConstraint("tenant", Lower("name"), name="one_custom_role_per_name"),
            models.CheckConstraint(condition=models.Q(permissions__len__gt=0), name="custom_role_has_a_permission"),
        ]

    def __str__(self) -> str:
        return self.name


class MembershipQuerySet(models.QuerySet["Membership"]):
    def with_custom_permissions(self) -> Self:
        """With `custom_permissions`: what custom roles let each do; see tenants.roles.permissions_of."""
        granted = RawSQL(
            """ARRAY(SELECT unnest(r.permissions) FROM tenants_customrole r
               WHERE r.tenant_id = tenants_membership.tenant_id AND r.id = ANY(tenants_membership.custom_roles))""",
            [],
            ArrayField(models.CharField()),
        )
        return self.annotate(custom_permissions=granted)

    def with_delegated_permissions(self) -> Self:
        """With `delegated_permissions` as well: what each decides in another's place, as long as that one may by roles of their own.

        For doors and news alone: nobody gives others what was only handed to them.
        """
        delegated = RawSQL(
            """ARRAY(SELECT unnest(%s::text[]) WHERE EXISTS (
                   SELECT 1 FROM tenants_delegation d
                   JOIN tenants_membership g ON g.tenant_id = d.tenant_id AND g.user_id = d.delegator_id
                   JOIN tenants_user u ON u.id = d.delegator_id AND u.is_active
                   WHERE d.tenant_id = tenants_membership.tenant_id AND d.delegate_id = tenants_membership.user_id
                   AND d.ended_at IS NULL AND d.starts_at <= statement_timestamp() AND d.ends_at > statement_timestamp()
                   AND (g.roles && %s::varchar[] OR EXISTS (
                       SELECT 1 FROM tenants_customrole r WHERE r.tenant_id = g.tenant_id AND r.id = ANY(g.custom_roles)
                       AND 'subscriptions.decide' = ANY(r.permissions)))))""",
            [["subscriptions.decide", "subscriptions.see_all"], [Role.ADMIN, Role.APPROVER]],
            ArrayField(models.CharField()),
        )
        return self.with_custom_permissions().annotate(delegated_permissions=delegated)


MembershipManager = TenantManager.from_queryset(MembershipQuerySet)


class Membership(TenantModel):
    """A person's roles in one tenant; several at once are usual."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    roles = ArrayField(models.CharField(max_length=20, choices=Role), default=list)
    # Ids of CustomRole. One that is held can't be deleted; an id of another tenant gives nothing.
    custom_roles = ArrayField(models.UUIDField(), default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[MembershipManager["Membership"]] = MembershipManager()
    # The one manager without the tenant filter: inside user_scope row security shows a person's own rows, read only.
    mine: ClassVar[models.Manager["Membership"]] = models.Manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user"], name="one_membership_per_person"),
            models.CheckConstraint(condition=models.Q(roles__len__gt=0) | models.Q(custom_roles__len__gt=0), name="membership_has_a_role"),
        ]
        # Who holds a role can't be looked up by it: row security keeps an index from answering. But few hold any.
        indexes = [models.Index(fields=["tenant"], condition=~models.Q(custom_roles=[]), name="members_with_custom_roles")]

    def __str__(self) -> str:
        return f"{self.user}: {', '.join(self.roles)}"
