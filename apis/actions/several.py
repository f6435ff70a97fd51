"""Asking for several APIs at once, for one application and one purpose: each becomes a request of its own, or none does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from apis.actions import request_forms, subscriptions
from apis.models import Api, Plan, Subscription
from keys.models import Application
from tenants import events, limits
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, User


@dataclass(frozen=True, slots=True)
class Wanted:
    """One of the APIs that are asked for."""

    api: Api
    plan: Plan
    answers: request_forms.Answers = field(default_factory=dict)
    # To which version of what it keeps of calls.
    logging_agreed: int | None = None


@transaction.atomic
def request_all(application: Application, wanted: Sequence[Wanted], *, purpose: str, by: User) -> list[tuple[Subscription, Event]]:
    """Ask for all of them, or for none; each is decided on its own.

    :raises Invalid: by the API's slug what speaks against it; what is wrong with an answer by “<slug>.answers.<key>”.
    """
    events.lock()
    if not wanted:
        raise Invalid({"requests": [_("Choose at least one API.")]})
    if len(wanted) > limits.REQUESTS_AT_ONCE:
        most = number_format(limits.REQUESTS_AT_ONCE, force_grouping=True)
        raise Invalid({"requests": [_("Ask for at most %(most)s APIs at once.") % {"most": most}]})
    made, problems = [], {}
    for each in wanted:
        try:
            told: dict[str, Any] = {"answers": each.answers, "logging_agreed": each.logging_agreed}
            made.append(subscriptions.request(application, api=each.api, plan=each.plan, purpose=purpose, **told, by=by))
        except NotAllowed as refused:
            problems[each.api.slug] = [str(refused)]
        except Invalid as refused:
            problems |= {f"{each.api.slug}.{name}": sentences for name, sentences in refused.problems.items()}
    if problems:
        raise Invalid(problems)
    return made
