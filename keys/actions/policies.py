"""What happens to a tenant's token policy."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from keys.actions.signing import ADVANCE_JOB, SKEW
from keys.models import SigningKey, TokenPolicy
from tenants import due, events
from tenants.errors import Invalid
from tenants.models import Event, User

FIELDS = ("algorithm", "rotation", "token_lifetime", "overlap", "jwks_max_age", "api_key_days")


@transaction.atomic
def change_policy(given: dict[str, Any], *, by: User | None) -> Event | None:
    """Change what is given and differs; None if nothing does. Another algorithm is a rotation, which begins at once.

    :param given: some of FIELDS. :raises Invalid: by field, in sentences.
    """
    lock = events.lock()
    policy = TokenPolicy.objects.get()
    changed = {name: value for name, value in given.items() if value != getattr(policy, name)}
    if not changed:
        return None
    was = {name: getattr(policy, name) for name in changed}
    for name, value in changed.items():
        setattr(policy, name, value)
    _check(policy)
    if policy.jwks_max_age < was.get("jwks_max_age", 0):
        # Whoever fetched the JWKS just now may keep it for as long as it said then.
        until = lock.now + timedelta(seconds=was["jwks_max_age"])
        policy.jwks_kept_until = max(until, policy.jwks_kept_until or until)
    policy.save()
    active = SigningKey.objects.filter(status=SigningKey.Status.ACTIVE, longest_lifetime__lt=policy.token_lifetime)
    active.update(longest_lifetime=policy.token_lifetime)
    due.expect(ADVANCE_JOB, lock.now)
    return events.record("token_policy.changed", policy, by=by, was=was, now=changed)


def _check(policy: TokenPolicy) -> None:
    try:
        policy.clean_fields(exclude=[field.name for field in policy._meta.fields if field.name not in FIELDS])  # noqa: SLF001
    except ValidationError as error:
        raise Invalid(error.message_dict) from error
    problems: dict[str, list[str]] = {}
    if policy.overlap < policy.token_lifetime:
        said = _(
            "Tokens live %(lifetime)s s, so a key has to be trusted at least as long after it signed its last: make the overlap longer."
        )
        problems["overlap"] = [said % {"lifetime": policy.token_lifetime}]
    if policy.rotation < 2 * (policy.jwks_max_age + SKEW.total_seconds()):
        said = _("Verifiers may keep the JWKS for %(age)s s, so keys can't change this often: make the rotation longer, or that shorter.")
        problems["rotation"] = [said % {"age": policy.jwks_max_age}]
    if problems:
        raise Invalid(problems)
