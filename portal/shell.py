"""What stands round every page: the two worlds with what this person may enter, the tenants, the theme. Read only where it is drawn."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from apis.models import ChangeRequest, Subscription
from keys.models import Application
from portal import inbox, outbox
from portal.pages.start import tenants_of
from tenants.models import Tenant, Theme, User
from tenants.scope import in_scope


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
    Entry(_("Inbox"), "inbox", "inbox", "bell", "n", "tenant.see"),
    Entry(_("Catalogue"), "catalogue", "catalogue", "book-open", "c", "apis.see_published"),
    Entry(_("My applications"), "apps", "app", "cube", "a", "applications.own"),
    Entry(_("Teams"), "teams", "team", "user-group", "o", "tenant.see"),
    Entry(_("Expiries"), "expiries", "expiries", "calendar-days", "x", "applications.own"),
)
RUN = (
    Entry(_("Requests"), "console-requests", "console-request", "inbox", "r", "subscriptions.see_all"),
    Entry(_("Subscriptions"), "console-subscriptions", "console-subscription", "link", "s", "subscriptions.see_all"),
    Entry(_("APIs"), "console-apis", "console-api", "code-bracket", "i", "apis.see_all"),
    Entry(_("Plans"), "console-plans", "console-plan", "bars-3-bottom-left", "p", "apis.see_all"),
    Entry(_("AI providers"), "console-providers", "console-provider", "sparkles", "b", "providers.see"),
    Entry(_("Applications"), "console-applications", "console-app", "squares-2x2", "l", "applications.see_all"),
    Entry(_("Expiries"), "console-expiries", "console-expiries", "calendar-days", "e", "applications.see_all"),
    Entry(_("Keys"), "console-keys", "console-key", "key", "k", "keys.see"),
    Entry(_("Gateways"), "console-gateways", "console-gateway", "server-stack", "w", "gateways.see"),
    Entry(_("Usage"), "console-usage", "console-usage", "chart-bar", "d", "usage.see"),
    Entry(_("Members"), "console-members", "console-member", "users", "m", "members.see"),
    Entry(_("Service accounts"), "console-services", "console-service", "cpu-chip", "v", "service_accounts.manage"),
    Entry(_("Webhooks"), "console-webhooks", "console-webhook", "bolt", "h", "webhooks.manage"),
    Entry(_("Settings"), "console-settings", "console-settings", "cog-6-tooth", "t", "settings.manage"),
    Entry(_("Audit"), "console-events", "console-event", "document-text", "u", "audit.read"),
)
PLATFORM = (
    Entry(_("Tenants"), "platform-tenants", "platform-tenant", "building-office-2", "", ""),
    Entry(_("People"), "platform-people", "platform-pe", "users", "", ""),
    Entry(_("Gateways"), "platform-gateways", "platform-gateway", "server-stack", "", ""),
    Entry(_("Health"), "platform-health", "platform-health", "heart", "", ""),
    Entry(_("Jobs"), "platform-jobs", "platform-job", "clock", "", ""),
    Entry(_("Mails"), "platform-mails", "platform-mail", "envelope", "", ""),
    Entry(_("Events"), "platform-events", "platform-event", "document-text", "", ""),
    Entry(_("Tables"), "admin:index", "admin:", "table-cells", "", ""),
    Entry(_("Settings"), "platform-settings", "platform-settings", "cog-6-tooth", "", ""),
)
WORLDS = ((_("Use"), USE), (_("Run"), RUN))


def shell(request: HttpRequest) -> dict[str, Any]:
    """The context processor. `tenant` is there for members alone: an error page must not name it to strangers."""
    permissions = getattr(request, "permissions", None)
    waiting = _later(lambda: _waiting(permissions or frozenset()))
    tenants = _later(lambda: _tenants(request, permissions or frozenset()))
    return {
        "tenant": getattr(request, "tenant", None) if permissions is not None else None,
        "tenants": tenants,
        "waiting": waiting,
        "rail": _later(lambda: list(_worlds(request, permissions or frozenset(), waiting, tenants))),
        "theme": _later(lambda: _theme(request)),
        "other_theme": _later(lambda: Theme.LIGHT if _theme(request) == Theme.DARK else Theme.DARK),
        "may": permissions or frozenset(),
    }


def _later(read: Callable[[], Any]) -> Any:
    return SimpleLazyObject(read)


def _theme(request: HttpRequest) -> str:
    user = getattr(request, "user", None)
    return user.theme if isinstance(user, User) else Theme.SYSTEM


def _tenants(request: HttpRequest, permissions: frozenset[str]) -> list[Tenant]:
    """The person's; the one they are in with `unread`, how many notifications there are news."""
    if not isinstance(request.user, User):
        return []
    found = tenants_of(request.user)
    return list(found.annotate(unread=inbox.count_unread(request.user)) if permissions and in_scope() else found)


def _waiting(permissions: frozenset[str]) -> int:
    if "subscriptions.decide" not in permissions:
        return 0
    changed = ChangeRequest.objects.waiting().values("subscription")
    waits = Q(status=Subscription.Status.PENDING) | Q(pk__in=changed)
    requests = Subscription.objects.filter(waits).order_by().values("pk")
    return requests.union(Application.objects.waiting().order_by().values("pk"), all=True).count()


def _worlds(request: HttpRequest, permissions: frozenset[str], waiting: int, tenants: list[Tenant]) -> Iterator[dict[str, Any]]:
    here = (request.resolver_match.url_name or "") if request.resolver_match else ""
    if here.startswith("platform-") and getattr(request.user, "operates", False):
        shown = [
            {"name": each.name, "url": reverse(each.page), "icon": each.icon, "key": "", "current": here.startswith(each.names), "count": 0}
            for each in PLATFORM
            # With a mail server there is no such page.
            if each.page != "platform-mails" or settings.EMAIL_BACKEND == outbox.BACKEND
        ]
        yield {"name": _("Platform"), "entries": shown}
    if not permissions:
        return
    tenant = request.tenant.slug  # type: ignore[attr-defined]
    unread = sum(getattr(each, "unread", 0) for each in tenants)
    counts = {"console-requests": (waiting, _("wait")), "inbox": (unread, _("unread"))}
    for name, entries in WORLDS:
        shown = [
            {
                "name": each.name,
                "url": reverse(each.page, args=[tenant]),
                "icon": each.icon,
                "key": each.key,
                "current": here.startswith(each.names),
                "count": counts.get(each.page, (0, ""))[0],
                "counted": counts.get(each.page, (0, ""))[1],
            }
            for each in entries
            if each.permission in permissions
        ]
        if shown:
            yield {"name": name, "entries": shown}
