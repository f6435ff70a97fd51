"""Changing what an API's gateway asks of calls, and does to them."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apis.models import Api
from apis.policies import Policies, PolicyRefused
from tenants import events
from tenants.errors import Invalid
from tenants.models import Event, User


@transaction.atomic
def change_policies(api: Api, *, given: Mapping[str, Any], by: User | None) -> Event | None:
    """Change what is given and differs; None if nothing does. It counts for every version of the API.

    :param given: fields of `apis.policies.Policies`.
    :raises Invalid: in the words of apis.policies.
    """
    events.lock()
    api.refresh_from_db(fields=["policies"])
    was = Policies.of(api.policies)
    try:
        now = was.changed(given)
    except PolicyRefused as refused:
        raise Invalid({refused.field: [_(refused.sentence) % refused.named]}) from refused
    if now == was:
        return None
    api.policies = now.as_json()
    api.save(update_fields=["policies"])
    return events.record("api.policies_changed", api, by=by, was=was.told(), now=now.told())
