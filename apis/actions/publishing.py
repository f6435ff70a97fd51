"""What happens to APIs, their versions and revisions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from apis import balancing, connections, contract, mock, openapi, origins, parts, reference, upstreams
from apis.actions import ai_models, certificate_ends, comparing, keeping, resources, room, testing
from apis.actions.change_log import COMPARE_JOB
from apis.actions.resolving import RESOLVE_JOB, looked_up
from apis.actions.reviews import had_by_callers, hold_to_review, is_back
from apis.actions.rules import hold_to_rules
from apis.ai.offer import Offer
from apis.balancing import Balancing
from apis.connections import Connection, ConnectionRefused
from apis.models import LIVE_LARGE, Api, ApiVersion, Operation, Part, Revision, Upstream
from apis.openapi import Document, Problem
from keys.envelope import seal
from keys.kek import kek
from keys.models import ProtectedResource
from tenants import due, events, limits
from tenants.errors import Invalid, NotAllowed
from tenants.lifecycle import in_words, move
from tenants.models import Event, User

# SDKs of providers write it into their paths, so a version with another name could not be called by them.
AI_VERSION = "v1"
# Parts of a document that one statement brings: each may be a hundred kilobytes.
BATCH = 200


@dataclass(frozen=True, slots=True)
class Target:
    """A checked upstream: made by `check_target`, which may take seconds, so outside any transaction."""

    address: upstreams.Address
    addresses: tuple[str, ...]
    connect_timeout_ms: int = 5_000
    timeout_ms: int = 30_000
    header: str = ""
    secret: str = field(default="", repr=False)
    # In place of a secret: the upstream whose own stays.
    kept: Upstream | None = None
    connection: Connection = connections.NONE
    # The private key of the connection's client certificate, in PKCS #8 (PEM); or the upstream whose own stays.
    client_key: str = field(default="", repr=False)
    kept_key: Upstream | None = None
    # The further targets have the addresses that they were found to have.
    balances: Balancing = balancing.NONE


@dataclass(frozen=True, slots=True)
class Mock:
    """In place of an upstream: what gateways answer themselves. Made by `answer_from_examples`."""

    answers: Mapping[str, mock.Answer]


@dataclass(frozen=True, slots=True)
class Models:
    """In place of an upstream: what an AI API offers. Checked by `apis.actions.ai_apis`."""

    offer: Offer


def answer_from_examples(document: Document) -> Mock:
    """For a large document it takes a second or two, so outside any transaction."""
    return Mock(mock.answers(document.content))


def check_target(
    url: str,
    *,
    connect_timeout_ms: int = 5_000,
    timeout_ms: int = 30_000,
    header: str = "",
    secret: str = "",
    client_key: str = "",
    kept: Upstream | None = None,
    **more: Any,
) -> Target:
    """
    :param kept: without a new secret, or private key, the upstream that those were given for; they go nowhere else.
    :param more: as apis.connections.read and apis.balancing.read take it.

    :raises Invalid: in the words of apis.upstreams, apis.connections or apis.balancing.
    """
    spread = {name: more.pop(name) for name in balancing.NAMES if name in more}
    try:
        address = upstreams.parse(url)
        connection = connections.read(now=timezone.now(), scheme=address.scheme, **more)
        header = connections.header(connection, header)
        keeps = not secret and kept is not None and keeping.keeps_secret(kept, header, connection)
        keeps_key = not client_key and kept is not None and keeping.keeps_key(kept, connection)
        if not keeps_key:
            client_key = connections.client_key(connection, client_key)
        if (header or secret) and not keeps:
            connections.check_secret(connection, secret)
            upstreams.check_header(header, connection.value(secret))
        balances = balancing.read(address, **spread)
        found = upstreams.resolve(address, allowed=settings.UPSTREAM_NETWORKS) if balances.weight else ()
    except upstreams.UpstreamRefused as error:
        raise Invalid({"upstream": [str(error)]}) from error
    except ConnectionRefused as refused:
        raise Invalid({refused.field: [_(refused.sentence) % refused.named]}) from refused
    balances = looked_up(balances)
    if kept is not None:
        keeping.hold_to_its_hosts(kept, address, connection, balances, secret=keeps, key=keeps_key)
    return Target(
        address,
        found,
        connect_timeout_ms,
        timeout_ms,
        header,
        secret,
        kept=kept if keeps else None,
        connection=connection,
        client_key=client_key,
        kept_key=kept if keeps_key else None,
        balances=balances,
    )


@transaction.atomic
def create_api(*, slug: str, name: str, description: str, kind: str = Api.Kind.REST, by: User | None) -> Api:
    events.lock()
    if Api.objects.filter(slug=slug).exists():
        said = _("An API with the slug “%(slug)s” exists already. Slugs are never given twice; choose another.")
        raise NotAllowed(said % {"slug": slug})
    if Api.objects.count() >= limits.APIS:
        said = _("There are %(most)s APIs here, which is as many as a tenant may have.")
        raise NotAllowed(said % {"most": number_format(limits.APIS, force_grouping=True)})
    api = Api.objects.create(slug=slug, name=name, kind=kind, description=description, created_by=by)
    ProtectedResource.objects.create(name=slug, title=name)
    more: dict[str, Any] = {"api_kind": str(api.kind)} if api.is_ai else {}
    events.record("api.created", api, by=by, slug=slug, **more)
    return api


@transaction.atomic
def change_api(
    api: Api,
    *,
    name: str | None = None,
    description: str | None = None,
    cors_origins: Sequence[str] | None = None,
    by: User | None,
) -> Event | None:
    """Change what is given and differs.

    :returns: the event that gateways hear of, if there is one; else the other one; None if nothing changed.
    :raises Invalid: in the words of apis.origins.
    """
    events.lock()
    api.refresh_from_db(fields=["name", "description", "cors_origins"])
    told = _change(api, "api.changed", {"name": name, "description": description}, by=by)
    if told is not None:
        ProtectedResource.objects.filter(name=api.slug).update(title=api.name)
    wanted = None if cors_origins is None else _origins(cors_origins)
    return _change(api, "api.cors_changed", {"cors_origins": wanted}, by=by) or told


def _change(api: Api, kind: str, given: dict[str, Any], *, by: User | None) -> Event | None:
    now = {name: value for name, value in given.items() if value not in (None, getattr(api, name))}
    if not now:
        return None
    was = {name: getattr(api, name) for name in now}
    for name, value in now.items():
        setattr(api, name, value)
    api.save(update_fields=list(now))
    return events.record(kind, api, by=by, was=was, now=now)


def _origins(given: Sequence[str]) -> list[str]:
    try:
        return origins.normal(given)
    except origins.OriginRefused as error:
        raise Invalid({"cors_origins": [_(error.sentence) % error.named]}) from error


@transaction.atomic
def add_version(api: Api, *, name: str, by: User | None) -> ApiVersion:
    events.lock()
    if api.is_ai and name != AI_VERSION:
        said = _("%(api)s is an AI API. It has one version, %(name)s, which programs that call it write into their paths.")
        raise NotAllowed(said % {"api": api, "name": AI_VERSION})
    if ApiVersion.objects.filter(api=api, name=name).exists():
        raise NotAllowed(_("%(api)s has a version “%(name)s” already.") % {"api": api, "name": name})
    if api.versions.count() >= limits.VERSIONS_PER_API:
        said = _("%(api)s has %(most)s versions, which is as many as an API may have.")
        raise NotAllowed(said % {"api": api, "most": number_format(limits.VERSIONS_PER_API, force_grouping=True)})
    version = ApiVersion.objects.create(api=api, name=name)
    events.record("version.created", version, by=by, api=api.slug, version=name)
    return version


@transaction.atomic
def add_revision(version: ApiVersion, *, document: Document, target: Target | Mock | Models, note: str = "", by: User | None) -> Revision:
    """A new immutable revision. It changes nothing at the gateways before `make_live`.

    :raises Invalid: see `check_paths`. :raises NotAllowed: an AI API takes models, and others don't.
    """
    hold_to_kind(version.api, ai=isinstance(target, Models))
    # All that needs no row, before anybody waits for the lock.
    outline, contents = parts.cut(document.content)
    lock = events.lock()
    if isinstance(target, Target):
        check_paths(target.connection, [operation.path for operation in document.operations])
    last = version.revisions.order_by("-number").values_list("number", flat=True).first() or 0
    revision = Revision.objects.create(
        version=version,
        number=last + 1,
        document=document.content,
        outline=outline.as_json(),
        scopes=document.scopes,
        lint=document.lint and document.lint.counts,
        findings=document.lint.as_json()["findings"] if document.lint else [],
        notes=[asdict(each) for each in document.notes],
        upstream=_upstream(target, lock.now) if isinstance(target, Target) else None,
        answers=_answers(target, document) if isinstance(target, Mock) else None,
        ai=target.offer.told if isinstance(target, Models) else None,
        source=document.source,
        note=note,
        created_by=by,
    )
    Part.objects.bulk_create((Part(revision=revision, number=number, content=each) for number, each in enumerate(contents)), BATCH)
    described = {(each.method, each.path): each for each in contract.operations(document.content)}
    Operation.objects.bulk_create(
        Operation(
            revision=revision,
            operation_id=operation.operation_id[:200],
            method=operation.method,
            path=operation.path,
            summary=operation.summary[:200],
            deprecated=operation.deprecated,
            scopes=operation.scopes,
            tag=reference.first_tag(told) if told else "",
            description=told.description[:2000] if told else "",
        )
        for operation in document.operations
        for told in [described.get((operation.method, operation.path))]
    )
    comparing.expect(revision, outline, lock=lock)
    more = {"mock": True} if revision.is_mock else {}
    events.record("revision.created", revision, by=by, version=str(version), operations=len(document.operations), note=note, **more)
    return revision


def hold_to_kind(api: Api, *, ai: bool) -> None:
    """:raises NotAllowed: it is of the other kind."""
    if api.is_ai and not ai:
        said = _("%(api)s is an AI API: its document is written from its models and prompts. Change those, and there is a new revision.")
        raise NotAllowed(said % {"api": api})
    if ai and not api.is_ai:
        raise NotAllowed(_("%(api)s is no AI API, so it offers no models.") % {"api": api})


def check_paths(connection: Connection, paths: Sequence[str]) -> None:
    """
    :param paths: of operations.
    :raises Invalid: none of them begins with what would be taken off.
    """
    beginning = connection.strip_path
    if beginning and not any(connections.stripped(path, beginning) for path in paths):
        said = _("No path of the document begins with %(path)s, so nothing could be taken off.")
        raise Invalid({"strip_path": [said % {"path": beginning}]})


def document_of(revision: Revision) -> Document:
    """Its document as it was read; without the places of its operations, which nothing needs any more."""
    content, info = revision.document, revision.document["info"]
    operations = tuple(
        openapi.Operation(
            method=each.method,
            path=each.path,
            operation_id=each.operation_id,
            summary=each.summary,
            deprecated=each.deprecated,
            tags=(),
            line=1,
            scopes=tuple(map(tuple, each.scopes)),
        )
        for each in revision.operations.order_by("id")
    )
    notes = tuple(Problem(**note) for note in revision.notes)
    lint = revision.found and revision.found.without_lines()
    return Document(info["title"], info["version"], content["openapi"], operations, content, revision.scopes, notes, lint, revision.source)


def _answers(target: Mock, document: Document) -> dict[str, Any]:
    """One for each operation, so that gateways have something to say for every route."""
    keys = [f"{operation.method} {operation.path}" for operation in document.operations]
    return {key: asdict(target.answers.get(key, mock.Answer(200))) for key in keys}


def _upstream(target: Target, now: datetime) -> Upstream:
    upstream = Upstream(
        scheme=target.address.scheme,
        host=target.address.host,
        port=target.address.port,
        path=target.address.path,
        connect_timeout_ms=target.connect_timeout_ms,
        timeout_ms=target.timeout_ms,
        header=target.header.lower(),
        connection=target.connection.as_json(),
        balancing=target.balances.as_json(),
        addresses=list(target.addresses),
        further_addresses=[list(each.addresses) for each in target.balances.further],
        resolved_at=now,
    )
    # A sealed one opens for its own row alone, so it is sealed anew.
    if secret := keeping.secret_of(target.kept) or target.secret.encode():
        upstream.sealed = seal(secret, upstream.sealed_for, kek())
    if client_key := keeping.key_of(target.kept_key) or target.client_key.encode():
        upstream.sealed_key = seal(client_key, upstream.sealed_key_for, kek())
    upstream.save(force_insert=True)
    return upstream


@transaction.atomic
def make_live(
    revision: Revision, *, instead_of: int | None = None, by: User | None, told: Mapping[str, Any] = MappingProxyType({})
) -> Event:
    """Serve this revision from now on, whatever it breaks: `apis.actions.gate` looks at that before. An older one works as well.

    :param instead_of: the number of the one that the person took for live, 0 for none; None where they didn't look.
    :param told: what the event tells beside the numbers.
    """
    lock = events.lock()
    # A racing request may have been first, and the first time is what counts.
    revision.refresh_from_db(fields=["went_live_at"])
    version = ApiVersion.objects.select_related("api", "live_revision").defer(*LIVE_LARGE).get(pk=revision.version_id)
    if version.status == ApiVersion.Status.RETIRED:
        raise NotAllowed(_("%(version)s is retired, so no revision of it can go live.") % {"version": version})
    if version.live_revision_id == revision.pk:
        raise NotAllowed(_("Revision %(number)s is live already.") % {"number": revision.number})
    was = version.live_revision.number if version.live_revision else None
    refuse_other(instead_of, was)
    if missing := ai_models.unknown(revision.ai["models"]) if revision.ai is not None else []:
        said = _("Revision %(number)s offers the model %(model)s, which is not there any more.")
        raise NotAllowed(said % {"number": revision.number, "model": missing[0]})
    if not is_back(revision, had_by_callers(version)):
        # Going back to what callers had must not wait for a better description.
        hold_to_rules(revision)
    if version.status in ApiVersion.OFFERED:
        told = {**told, **_approved(revision, version)}
        room.for_callers(revision)
        _reaches_callers(revision, lock.now, by=by)
        due.expect(COMPARE_JOB, lock.now)
    version.live_revision = revision
    version.save(update_fields=["live_revision"])
    resources.bring_up_to_date(version.api)
    if revision.upstream:
        certificate_ends.expect(revision.upstream)
    # The addresses of an older revision may have grown old with it, or its providers have none yet.
    due.expect(RESOLVE_JOB, lock.now)
    more = {"mock": True, **told} if revision.is_mock else told
    return events.record("revision.live", revision, by=by, version=str(version), was=was, number=revision.number, **more)


def _approved(revision: Revision, version: ApiVersion) -> dict[str, str]:
    """Who saw to it beside who does it, for the event. :raises NotAllowed: nobody did, and somebody has to."""
    review = hold_to_review(revision, version)
    return {"approved_by": str(review.decided_by)} if review else {}


def refuse_other(taken: int | None, live: int | None) -> None:
    """:raises NotAllowed: another revision is live than the one that was taken for it; see `make_live`."""
    if taken is not None and taken != (live or 0):
        said = _("Revision %(number)s was made live meanwhile. Look at what changes against it, then decide again.")
        raise NotAllowed(said % {"number": live})


@transaction.atomic
def prerelease(version: ApiVersion, *, by: User | None) -> Event:
    """Open a version to callers with a subscription before it is done: it may still change."""
    return _open(version, ApiVersion.Status.PRERELEASE, by=by)


@transaction.atomic
def publish(version: ApiVersion, *, by: User | None) -> Event:
    """Open a version to callers with a subscription."""
    return _open(version, ApiVersion.Status.PUBLISHED, by=by)


def _open(version: ApiVersion, to: str, *, by: User | None) -> Event:
    lock = events.lock()
    # Another revision may have gone live, and reviews may be asked for, since it was read.
    version.refresh_from_db(fields=["live_revision"])
    version.api.refresh_from_db(fields=["needs_review"])
    if version.status in {ApiVersion.Status.BLOCKED, ApiVersion.Status.DEPRECATED}:
        # There are ways back from there, which say what they are.
        said = _("%(version)s is %(state)s; it can be unblocked, or its deprecation taken back.")
        raise NotAllowed(said % {"version": version, "state": in_words(version, version.status)})
    if version.live_revision is None:
        said = _("%(version)s has no live revision; import its OpenAPI document first.")
        raise NotAllowed(said % {"version": version})
    hold_to_rules(version.live_revision)
    told = _approved(version.live_revision, version)
    room.for_callers(version.live_revision)
    _reaches_callers(version.live_revision, lock.now, by=by)
    testing.without_testers(version)
    event = move(version, to, by=by, data=told)
    resources.bring_up_to_date(version.api)
    return event


def _reaches_callers(revision: Revision, now: datetime, *, by: User | None) -> None:
    testing.end(revision, by=by)
    if revision.went_live_at is None:
        revision.went_live_at = now
        revision.save(update_fields=["went_live_at"])
