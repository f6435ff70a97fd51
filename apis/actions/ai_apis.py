"""AI APIs: published from what providers have, in one go; and what they offer afterwards, each change of which is a revision."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apis import lint
from apis.actions import ai_models, catalogue, plans, publishing
from apis.actions.publishing import AI_VERSION, Models
from apis.ai import checking
from apis.ai.checking import OfferRefused
from apis.ai.document import document
from apis.ai.offer import Offer
from apis.models import Api, ApiVersion, Revision
from apis.openapi import Document
from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, Team, User


@transaction.atomic
def publish(
    *,
    slug: str,
    name: str,
    description: str = "",
    offer: Offer,
    terms: Sequence[Mapping[str, Any]],
    visibility: str = Api.Visibility.PUBLIC,
    teams: Sequence[Team] = (),
    by: User,
) -> tuple[Api, Event]:
    """All of it at once: the API, its version, revision and plans, open to subscribers.

    :param terms: of its plans, each as `apis.actions.plans.create` takes them.
    :returns: the event of which gateways hear last.
    :raises Invalid: by field.
    """
    check(offer)
    described = document_of(offer, title=name, description=description)
    events.lock()
    hold_to_what_there_is(offer)
    api = publishing.create_api(slug=slug, name=name, description=description, kind=Api.Kind.AI, by=by)
    if visibility != api.visibility:
        catalogue.place(api, visibility=visibility, teams=list(teams), by=by)
    version = publishing.add_version(api, name=AI_VERSION, by=by)
    revision = publishing.add_revision(version, document=described, target=Models(offer), by=by)
    publishing.make_live(revision, by=by)
    version.refresh_from_db()
    for each in terms:
        plans.publish(plans.create(api, **each, by=by), by=by)
    return api, publishing.publish(version, by=by)


@transaction.atomic
def offer(version: ApiVersion, offer: Offer, *, note: str = "", instead_of: int | None = None, by: User) -> Revision:
    """What it offers from its next revision on, which goes live as any other does.

    :param instead_of: the number of the newest revision that the person looked at; None where they didn't.
    :raises Invalid: by field. :raises NotAllowed: it offers that already, or somebody changed it meanwhile.
    """
    publishing.hold_to_kind(version.api, ai=True)
    check(offer)
    described = document_of(offer, title=version.api.name, description=version.api.description)
    events.lock()
    newest = newest_of(version)
    if instead_of is not None and (newest.number if newest else 0) != instead_of:
        raise NotAllowed(_("Somebody changed what %(api)s offers meanwhile. Look at that, then decide again.") % {"api": version.api})
    hold_to_what_there_is(offer)
    if newest is not None and newest.ai is not None and offered(newest) == offer and newest.document == described.content:
        raise NotAllowed(_("Revision %(number)s offers the same.") % {"number": newest.number})
    return publishing.add_revision(version, document=described, target=Models(offer), note=note, by=by)


def newest_of(version: ApiVersion) -> Revision | None:
    return version.revisions.order_by("-number").first()


def offered(revision: Revision) -> Offer:
    assert revision.ai is not None
    return Offer.of(revision.ai)


def check(offer: Offer) -> None:
    """:raises Invalid: by field, in the words of apis.ai.checking."""
    try:
        checking.check(offer)
    except OfferRefused as refused:
        raise Invalid({refused.field: ["".join(map(_, refused.sentences)) % refused.named]}) from refused


def hold_to_what_there_is(offer: Offer) -> None:
    """:raises Invalid: nobody answers one of the models."""
    if missing := ai_models.unknown(offer.models):
        raise Invalid({"models": [_("There is no model %(model)s here.") % {"model": missing[0]}]})


def document_of(offer: Offer, *, title: str, description: str) -> Document:
    return lint.without_lines(lint.parse(json.dumps(document(offer, title=title, description=description))))
