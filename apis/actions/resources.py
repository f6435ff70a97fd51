"""What tokens have to know of APIs: their names, their scopes, and the keys for their claims."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from apis.models import Api, ApiVersion, Revision
from keys import encryption
from keys.models import ProtectedResource, TokenPolicy
from tenants import events, limits
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, User


def bring_up_to_date(api: Api) -> None:
    """The scopes of what callers reach now, of the API and of the tenant. Under the lock.

    Tokens may have those of revisions that are open for tests, too; what tells of the API does not name them.

    :raises NotAllowed: the tenant had more scopes than it may.
    """
    events.require_lock()
    live = Revision.objects.filter(live_in__api=api, live_in__status__in=ApiVersion.OFFERED).order_by("live_in__id")
    told = list(live.values_list("scopes", flat=True))
    scopes = {scope: said for each in told for scope, said in each.items()}
    ProtectedResource.objects.filter(name=api.slug).update(published=bool(told), scopes=scopes)
    published = ProtectedResource.objects.filter(published=True).values_list("scopes", flat=True)
    tested = Revision.objects.open_for_tests().values_list("scopes", flat=True)
    everything = sorted({scope for each in (*published, *tested) for scope in each})
    if len(everything) > limits.SCOPES:
        said = _("The APIs of this tenant would have %(count)s scopes together; at most %(most)s may be.")
        numbers = {"count": len(everything), "most": limits.SCOPES}
        raise NotAllowed(said % {name: number_format(number, force_grouping=True) for name, number in numbers.items()})
    TokenPolicy.objects.update(scopes=everything)


@transaction.atomic
def change_encryption_key(api: Api, given: str | Mapping[str, Any] | None, *, by: User | None) -> Event | None:
    """Encrypt confidential claims for the API with this public key from now on; with None there are none. None if nothing differs.

    :raises Invalid: in the words of keys.encryption.
    """
    events.lock()
    resource = ProtectedResource.objects.get(name=api.slug)
    wanted = _key(given)
    if wanted == resource.encryption_jwk:
        return None
    was = resource.encryption_jwk
    resource.encryption_jwk = wanted
    resource.save(update_fields=["encryption_jwk"])
    return events.record("api.encryption_key_changed", api, by=by, was=_kid(was), now=_kid(wanted))


def _key(given: str | Mapping[str, Any] | None) -> dict[str, str] | None:
    try:
        return None if given is None else encryption.read_encryption_key(given)
    except encryption.KeyRefused as refused:
        raise Invalid({"encryption_jwk": [_(refused.sentence) % refused.named]}) from refused


def _kid(jwk: Mapping[str, str] | None) -> str | None:
    return jwk["kid"] if jwk else None
