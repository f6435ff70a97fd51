from typing import ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.base import Steps, new_id

# A slug stands in addresses and issuers: lower case, digits and single hyphens, so that it needs no escaping anywhere.
SLUG = RegexValidator(
    r"^[a-z0-9](?:-?[a-z0-9])*\Z",
    _("Use lower-case letters, digits and single hyphens, for example “orders-eu”."),
    "invalid_slug",
)
MAX_SLUG = 40
# What stands, or may come to stand, beside tenants in addresses, and what would pass for Portico itself.
# Portico's own REST API is published there, see docs/rest.md; nobody else gets to be it.
OWN_SLUG = "portico"
RESERVED_SLUGS = set(
    "accounts admin api app assets auth billing blog console dashboard docs favicon feeds gateway healthz help home login logout metrics "
    "new null oauth platform portal portico readyz root security settings signup static status support system t tenants test undefined "
    "well-known www".split()
)


class Accent(models.TextChoices):
    """The colour of what can be pressed; each stands in static/tokens.css, legible in both themes."""

    TEAL = "teal", _("Teal")
    BLUE = "blue", _("Blue")
    INDIGO = "indigo", _("Indigo")
    VIOLET = "violet", _("Violet")
    PINK = "pink", _("Pink")
    ORANGE = "orange", _("Orange")
    GREEN = "green", _("Green")
    SLATE = "slate", _("Slate")


class Tenant(models.Model):
    """An organisation with its own members, APIs, applications, keys, policies and audit. Its slug never changes."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        SUSPENDED = "suspended", _("Suspended")
        CLOSING = "closing", _("Closing")

    THIS: ClassVar = _("this tenant")
    STEPS: ClassVar[Steps] = {
        (Status.ACTIVE, Status.SUSPENDED): "suspended",
        (Status.SUSPENDED, Status.ACTIVE): "resumed",
        (Status.ACTIVE, Status.CLOSING): "closing",
        (Status.SUSPENDED, Status.CLOSING): "closing",
        (Status.CLOSING, Status.ACTIVE): "reopened",
        (Status.CLOSING, Status.SUSPENDED): "reopened",
    }

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.CharField(max_length=MAX_SLUG, unique=True, validators=[SLUG])
    name = models.CharField(max_length=80)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    # Both stand here, for every page draws them.
    accent = models.CharField(max_length=10, choices=Accent, default=Accent.TEAL)
    # "" where there is no logo.
    logo_digest = models.CharField(max_length=16, blank=True)
    # Why it is suspended or closing, for its members to read.
    status_why = models.CharField(max_length=500, blank=True)
    # When a tenant that is closing is erased.
    erase_at = models.DateTimeField(null=True, blank=True)
    # How many calls a second pass, of all its APIs together, as an operator said: 0 sets no limit, None is the platform's default.
    max_calls = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    @property
    def ceiling(self) -> int:
        """How many calls a second pass at the gateways; 0 for as many as come."""
        return settings.TENANT_CALLS_PER_SECOND if self.max_calls is None else self.max_calls
