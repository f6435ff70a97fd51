from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils.translation import get_supported_language_variant
from django.utils.translation import gettext_lazy as _

from tenants.models.base import new_id


class Theme(models.TextChoices):
    SYSTEM = "system", _("As the system has it")
    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


class UserManager(BaseUserManager["User"]):
    @transaction.atomic
    def create_user(self, email: str, password: str | None = None, *, verified: bool = True, **fields: Any) -> "User":
        """A person whose e-mail address counts as theirs; without `verified`, once they followed the link in a mail."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        EmailAddress.objects.create(user=user, email=user.email, verified=verified, primary=True)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser):
    """A person, across tenants; known by an e-mail address. `is_staff` makes a platform operator."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=80, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    # Acts for a service account: has no password, gets no mail, signs in nowhere.
    is_service = models.BooleanField(default=False)
    # An IANA name. Pages and mails tell times in it.
    time_zone = models.CharField(max_length=64, default="UTC")
    # "" is what the browser asks for.
    language = models.CharField(max_length=10, blank=True)
    theme = models.CharField(max_length=6, choices=Theme, default=Theme.SYSTEM)
    created_at = models.DateTimeField(auto_now_add=True)
    # Not kept: whom a tenant's identity provider signed in is known in that tenant alone, see portal.provided.
    only_in: UUID | None = None

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="one_user_per_email")]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def operates(self) -> bool:
        """Whether who is here may act as an operator: a tenant's provider makes nobody one."""
        return self.is_staff and self.only_in is None

    def language_or(self, otherwise: str) -> str:
        """The language they chose, if there is one and Portico still speaks it."""
        try:
            return get_supported_language_variant(self.language)
        except LookupError:
            return otherwise
