from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.base import new_id

# A slug stands in addresses and issuers: lower case, digits and single hyphens, so that it needs no escaping anywhere.
SLUG = RegexValidator(
    r"^[a-z0-9](?:-?[a-z0-9])*\Z",
    _("Use lower-case letters, digits and single hyphens, for example “orders-eu”."),
    "invalid_slug",
)
MAX_SLUG = 40
RESERVED_SLUGS = {"api", "healthz", "readyz", "static", "t", "well-known"}


class Tenant(models.Model):
    """An organisation with its own members, APIs, applications, keys, policies and audit. Its slug never changes."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        SUSPENDED = "suspended", _("Suspended")
        CLOSING = "closing", _("Closing")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.CharField(max_length=MAX_SLUG, unique=True, validators=[SLUG])
    name = models.CharField(max_length=80)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name
