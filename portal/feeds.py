"""The calendar of expiries at a private address: calendar programs can't sign in, so the secret in the address says who asks."""

import hashlib
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apis.actions import dates
from keys.actions import calendar_feeds, expiries
from keys.models import Application, Credential
from portal import words
from portal.calendars import Entry, calendar
from portal.mails import tame
from tenants import throttle
from tenants.access import open_to_all, own_scope
from tenants.models import ServiceAccount, Tenant, User, teams_of
from tenants.origin import origin
from tenants.scope import tenant_scope

# Per minute: what one address may look up, and how often one feed is read. Calendar programs ask a few times a day.
LOOKED_UP, READ = 300, 30
# What ends soonest stands in it.
MOST = 1000


@open_to_all("the secret in the address is the proof; calendar programs can't sign in")
@own_scope
@require_safe
def feed(request: HttpRequest, tenant: str, secret: str) -> HttpResponse:  # noqa: ARG001
    """What its person may see now ends when. Whatever is wrong with the address is 404."""
    # Outside the scope, which a 404 rolls back.
    throttle.attempt(f"feeds for {origin.get().place}", limit=LOOKED_UP, seconds=60)
    at: Tenant | None = getattr(request, "tenant", None)
    if at is None:
        raise Http404
    with tenant_scope(at.pk):
        found = calendar_feeds.reader_of(secret)
        if found is None:
            raise Http404
        row, permissions = found
        throttle.attempt(f"feed {row.pk}", limit=READ, seconds=60)
        body, language = _written(at, row.user, permissions)
    etag = quote_etag(hashlib.sha256(body).hexdigest()[:32])
    answer = HttpResponse(body, content_type="text/calendar; charset=utf-8")
    # Nobody between keeps it, and its reader asks each time.
    answer["Cache-Control"], answer["ETag"], answer["Content-Language"] = "private, no-cache", etag, language
    return get_conditional_response(request, etag=etag, response=answer) or answer


def _written(tenant: Tenant, person: User, permissions: frozenset[str]) -> tuple[bytes, str]:
    language = person.language_or("en")
    with translation.override(language), timezone.override(ZoneInfo(person.time_zone)):
        seen = expiries.agenda(Application.objects.visible_to(person, permissions))
        teams = teams_of(person)
        entries = list(_entries(tenant, person, permissions, teams, seen.order_by("expires_at", "pk")[:MOST]))
        entries += _of_subscriptions(tenant, person, permissions, teams)
        if "service_accounts.manage" in permissions:
            entries += _of_services(tenant, expiries.services_agenda().select_related("created_by")[:MOST])
        name = _("Expiries at %(tenant)s") % {"tenant": tame(tenant.name)}
        return calendar(name, entries, language=language), language


def _entries(
    tenant: Tenant, person: User, permissions: frozenset[str], teams: frozenset[UUID], seen: Iterable[Credential]
) -> Iterator[Entry]:
    host = urlsplit(settings.PORTAL_URL).hostname
    for each in seen:
        assert each.expires_at is not None
        application = each.application
        own = "applications.own" in permissions and application.belongs_to(person, teams)
        named = {"application": tame(application.name), "credential": tame(words.credential(each))}
        yield Entry(
            uid=f"{each.pk}@{host}",
            at=each.expires_at,
            since=each.created_at,
            summary=_("%(application)s: %(credential)s ends") % named,
            description=_("Owner: %(owner)s") % {"owner": tame(application.whose)},
            url=settings.PORTAL_URL + reverse("app" if own else "console-application", args=[tenant.slug, application.pk]),
        )


def _of_subscriptions(tenant: Tenant, person: User, permissions: frozenset[str], teams: frozenset[UUID]) -> Iterator[Entry]:
    host = urlsplit(settings.PORTAL_URL).hostname
    for each in dates.agenda(Application.objects.visible_to(person, permissions))[:MOST]:
        assert each.ends_at is not None
        own = "applications.own" in permissions and each.application.belongs_to(person, teams)
        where = reverse("app" if own else "console-application", args=[tenant.slug, each.application_id])
        named = {"application": tame(each.application.name), "api": tame(each.api.name)}
        yield Entry(
            uid=f"{each.pk}@{host}",
            at=each.ends_at,
            since=each.requested_at,
            summary=_("%(application)s: its subscription to %(api)s ends") % named,
            description=_("Owner: %(owner)s") % {"owner": tame(each.application.whose)},
            url=f"{settings.PORTAL_URL}{where}?tab=subscriptions",
        )


def _of_services(tenant: Tenant, accounts: Iterable[ServiceAccount]) -> Iterator[Entry]:
    host = urlsplit(settings.PORTAL_URL).hostname
    for each in accounts:
        yield Entry(
            uid=f"{each.pk}@{host}",
            at=each.expires_at,
            since=each.created_at,
            summary=_("The service account %(account)s ends") % {"account": tame(each.name)},
            description=_("%(person)s answers for it.") % {"person": tame(str(each.created_by))},
            url=settings.PORTAL_URL + reverse("console-service", args=[tenant.slug, each.pk]),
        )
