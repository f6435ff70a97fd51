"""Private addresses of the calendar of expiries. Whoever has one reads as its person does, so it is shown once and kept as an HMAC."""

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from keys.models import CalendarFeed
from keys.secrets import fingerprint, new_feed_secret, pepper_id
from tenants import events
from tenants.errors import NotAllowed
from tenants.models import Membership, User
from tenants.roles import permissions_held


@transaction.atomic
def create_feed(*, by: User) -> tuple[CalendarFeed, str]:
    """A person's address here; the one before ends. The second value is the secret in it: show it once, it is stored nowhere."""
    events.lock()
    ended, _what = CalendarFeed.objects.filter(user=by).delete()
    secret = new_feed_secret()
    feed = CalendarFeed.objects.create(user=by, secret_hmac=fingerprint(secret, settings.PEPPER), pepper_id=pepper_id(settings.PEPPER))
    events.record("calendar_feed.created", feed, by=by, replaced=bool(ended))
    return feed, secret


@transaction.atomic
def revoke_feed(*, by: User) -> None:
    events.lock()
    feed = CalendarFeed.objects.filter(user=by).first()
    if feed is None:
        raise NotAllowed(_("You have no calendar address here."))
    events.record("calendar_feed.revoked", feed, by=by)
    feed.delete()


def reader_of(secret: str) -> tuple[CalendarFeed, frozenset[str]] | None:
    """Whose address this is, and what they may do here now; None if it is nobody's, or they have left or were shut out."""
    feed = CalendarFeed.objects.filter(secret_hmac=fingerprint(secret, settings.PEPPER)).select_related("user").first()
    if feed is None or not feed.user.is_active:
        return None
    membership = Membership.objects.filter(user=feed.user).with_custom_permissions().only("roles").first()
    return (feed, permissions_held(membership)) if membership else None
