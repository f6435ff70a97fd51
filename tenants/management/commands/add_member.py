from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from tenants.actions import add_member
from tenants.errors import Invalid
from tenants.models import Role, Tenant, User
from tenants.scope import tenant_scope


class Command(BaseCommand):
    help = "Give a person roles in a tenant. Someone new is asked for a password (or it is read from --password-file)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the tenant")
        parser.add_argument("email")
        parser.add_argument("roles", nargs="+", metavar="role", help=", ".join(Role.values))
        parser.add_argument("--name", default="")
        parser.add_argument("--password-file", help="a file that holds the new person's password; - for standard input")

    def handle(self, *_: Any, slug: str, email: str, roles: list[str], name: str, password_file: str | None, **__: Any) -> None:
        tenant = Tenant.objects.filter(slug=slug).first()
        if tenant is None:
            raise CommandError(f"There is no tenant “{slug}”. Create it with create_tenant.")
        try:
            User(email=email.strip().lower(), name=name).clean_fields(exclude=["password"])
            with transaction.atomic(), tenant_scope(tenant.pk):
                user = User.objects.filter(email=email.strip().lower()).first()
                if user is None:
                    password = _password(password_file)
                    validate_password(password, User(email=email, name=name))
                    user = User.objects.create_user(email, password, name=name)
                membership = add_member(user, roles=roles, by=None)
        except (Invalid, ValidationError) as error:
            raise CommandError(error.messages[0] if isinstance(error, ValidationError) else str(error)) from error
        self.stdout.write(f"{email} is {', '.join(membership.roles)} at {tenant}.")


def _password(file: str | None) -> str:
    if file is None:
        return getpass("Password for the new person: ")
    try:
        with open(0 if file == "-" else file, encoding="utf-8") as source:  # noqa: PTH123  (0 is standard input)
            return source.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"The password can't be read from {file}: {error}") from error
