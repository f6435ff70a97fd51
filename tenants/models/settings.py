from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.base import TenantModel
from tenants.models.membership import Role


class SignUp(models.TextChoices):
    """Who becomes a member, or a person known here, without being asked in by somebody."""

    INVITATION = "invitation", _("By invitation only")
    DOMAINS = "domains", _("Whoever has an address of these domains")
    OPEN = "open", _("Everybody")


class TenantSettings(TenantModel):
    """How a tenant shows itself and whom it lets in: one row. Its name stands on the tenant, its token policy in keys."""

    class Catalogue(models.TextChoices):
        MEMBERS = "members", _("Members only")
        PUBLIC = "public", _("Everybody")

    support_address = models.EmailField(blank=True)
    # A PNG, or nothing; Tenant.logo_digest says which.
    logo = models.BinaryField(blank=True, default=b"")
    catalogue = models.CharField(max_length=8, choices=Catalogue, default=Catalogue.MEMBERS)
    sign_up = models.CharField(max_length=10, choices=SignUp, default=SignUp.INVITATION)
    sign_up_domains = ArrayField(models.CharField(max_length=253), default=list)
    # What those get who come by themselves.
    sign_up_role = models.CharField(max_length=20, choices=Role, default=Role.DEVELOPER)
    mfa_required = models.BooleanField(default=False)
    # What a new plan proposes: whether its subscriptions are approved by people.
    approval_by_people = models.BooleanField(default=True)
    # Whether people approve new applications before these get anything.
    applications_need_approval = models.BooleanField(default=False)
    # For how many days counts of calls are kept: those of minutes, and those of hours and days.
    usage_minutes_days = models.PositiveSmallIntegerField(default=30)
    usage_days = models.PositiveSmallIntegerField(default=400)

    class Meta:
        verbose_name = "tenant settings"
        constraints = [models.UniqueConstraint(fields=["tenant"], name="one_settings_row_per_tenant")]

    def __str__(self) -> str:
        return str(self.tenant)


class PlatformSettings(models.Model):
    """What holds for the whole portal: one row, see `PlatformSettings.get`."""

    class Creators(models.TextChoices):
        OPERATORS = "operators", _("Platform operators")
        EVERYBODY = "everybody", _("Everybody who has signed in")

    tenants_by = models.CharField(max_length=10, choices=Creators, default=Creators.OPERATORS)
    sign_up = models.CharField(max_length=10, choices=SignUp, default=SignUp.INVITATION)
    sign_up_domains = ArrayField(models.CharField(max_length=253), default=list)

    class Meta:
        verbose_name = "platform settings"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_row_of_platform_settings")]

    def __str__(self) -> str:
        return "Platform"

    @classmethod
    def get(cls) -> "PlatformSettings":
        return cls.objects.filter(pk=1).first() or cls(pk=1)
