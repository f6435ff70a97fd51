"""The rule that nobody gives what they don't hold."""

from collections.abc import Collection, Iterable
from itertools import chain
from uuid import UUID

from django.utils.translation import gettext as _

from tenants.errors import NotAllowed
from tenants.models import CustomRole
from tenants.roles import permissions_of


def may_give(held: frozenset[str], roles: Collection[str], custom_ids: Collection[UUID] = ()) -> None:
    """Nobody gives what they don't hold, and nobody takes it: call it with what is given, and with what is taken.

    :param held: the permissions of who gives.
    :raises NotAllowed: naming a permission that is lacking.
    """
    added = chain.from_iterable(CustomRole.objects.filter(pk__in=custom_ids).values_list("permissions", flat=True)) if custom_ids else ()
    holds_all(held, permissions_of(roles, added))


def holds_all(held: frozenset[str], needed: Iterable[str]) -> None:
    """:raises NotAllowed: naming one of `needed` that is not held."""
    lacks = next(iter(sorted(frozenset(needed) - held)), None)
    if lacks is not None:
        raise NotAllowed(_("You don't hold “%(permission)s” yourself, so you can't give or take it.") % {"permission": lacks})
