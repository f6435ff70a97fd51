"""What stands round every page: the two worlds with what this person may enter, the tenants, the theme. Read only where it is drawn."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from apis.models import Subscription
from portal.pages.start import tenants_of
from tenants.models import Theme, User


@dataclass(frozen=True, slots=True)
class Entry:
    """`names` is how the names of its pages begin; `key` goes there after `g`."""

    name: str | Promise
    page: str
    names: str
    icon: str
    key: str
    permission: str


USE = (
    Entry(_("Catalogue"), "catalogue", "catalogue", "book-open", "c", "apis.see_published"),
    Entry(_("My applications"), "apps", "app", "cube", "a", "applications.own"),
    Entry(_("Expiries"), "expiries", "expiries", "calendar-days", "x", "applications.own"),
)
RUN = (
    Entry(_("Requests"), "console-requests", "console-request", "inbox", "r", "subscriptions.see_all"),
    Entry(_("Subscriptions"), "console-subscriptions", "console-subscription", "link", "s", "subscriptions.see_all"),
    Entry(_("APIs"), "console-apis", "console-api", "code-bracket", "i", "apis.see_all"),
    Entry(_("Plans"), "console-plans", "console-plan", "bars-3-bottom-left", "p", "apis.see_all"),
    Entry(_("Applications"), "console-applications", "console-app", "squares-2x2", "l", "applications.see_all"),
    Entry(_("Expiries"), "console-expiries", "console-expiries", "calendar-days", "e", "applications.see_all"),
    Entry(_("Keys"), "console-keys", "console-key", "key", "k", "keys.see"),
    Entry(_("Gateways"), "console-gateways", "console-gateway", "server-stack", "w", "gateways.see"),
    Entry(_("Members"), "console-members", "console-member", "users", "m", "members.see"),
    Entry(_("Audit"), "console-events", "console-event", "document-text", "u", "audit.read"),
)
WORLDS = ((_("Use"), USE), (_("Run"), RUN))


def shell(request: HttpRequest) -> dict[str, Any]:
    """The context processor. `tenant` is there for members alone: an error page must not name it to strangers."""
    permissions = getattr(request, "permissions", None)
    waiting = _later(lambda: _waiting(permissions or frozenset()))
    return {
        "tenant": getattr(request, "tenant", None) if permissions is not None else None,
        "tenants": _later(lambda: tenants_of(request.user) if isinstance(request.user, User) else []),
        "waiting": waiting,
        "rail": _later(lambda: list(_worlds(request, permissions or frozenset(), waiting))),
        "theme": _later(lambda: _theme(request)),
        "other_theme": _later(lambda: Theme.LIGHT if _theme(request) == Theme.DARK else Theme.DARK),
        "may": permissions or frozenset(),
    }


def _later(read: Callable[[], Any]) -> Any:
    return SimpleLazyObject(read)


def _theme(request: HttpRequest) -> str:
    user = getattr(request, "user", None)
    return user.theme if isinstance(user, User) else Theme.SYSTEM


def _waiting(permissions: frozenset[str]) -> int:
    if "subscriptions.decide" not in permissions:
        return 0
    return Subscription.objects.filter(status=Subscription.Status.PENDING).count()


def _worlds(request: HttpRequest, permissions: frozenset[str], waiting: int) -> Iterator[dict[str, Any]]:
    if not permissions:
        return
    here = (request.resolver_match.url_name or "") if request.resolver_match else ""
    tenant = request.tenant.slug  # type: ignore[attr-defined]
    for name, entries in WORLDS:
        shown = [
            {
                "name": each.name,
                "url": reverse(each.page, args=[tenant]),
                "icon": each.icon,
                "key": each.key,
                "current": here.startswith(each.names),
                "count": waiting if each.page == "console-requests" else 0,
            }
            for each in entries
            if each.permission in permissions
        ]
        if shown:
            yield {"name": name, "entries": shown}
