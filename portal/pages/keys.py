"""Signing keys: which signs, which comes, which are trusted still; rehearsing, rotating, and giving one up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from apis.models.api import time_in_words
from gateway import receipts, rehearsal, rotation
from gateway.models import GatewayNode, serving
from gateway.receipts import Receipt
from gateway.rotation import BlastRadius
from keys import tokens
from keys.actions import signing
from keys.models import SigningKey, TokenPolicy
from portal.forms import PageForm, ReasonForm
from portal.kept import given
from portal.pages import asking
from portal.words import added, day_and_time, happened, listed
from tenants.access import TenantRequest, inside, own_scope, tenant_view
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event

T = TypeVar("T")
Use, Status = SigningKey.Use, SigningKey.Status
# What a page names of keys that are trusted still, and of those that are gone.
MOST_RETIRED, MOST_ENDED = 10, 10
MOST_EVENTS = 50
# A thumbprint is known by its ends.
SHOWN = 4


@dataclass(frozen=True, slots=True)
class Step:
    """A date of a key's life; `reached` is false for one that is meant to come, and `at` None where nobody knows when."""

    name: str
    at: datetime | None
    reached: bool

    @property
    def day(self) -> str:
        return day_and_time(self.at) if self.at else ""


@dataclass(frozen=True, slots=True)
class Row:
    """A key: `standing` is one of portal.templatetags.ui.STATES, `waits` the gateways that do not know it yet, by name."""

    key: SigningKey
    standing: str
    life: Sequence[Step]
    waits: Sequence[str]
    event: Event | None
    receipt: Receipt | None

    @property
    def short(self) -> str:
        return short(self.key)

    @property
    def trusted(self) -> bool:
        return self.key.status in {Status.PUBLISHED, Status.ACTIVE, Status.RETIRED}


@dataclass(frozen=True, slots=True)
class Family:
    """The keys of one purpose. `next_at`: when the next is meant to sign, where none is announced yet."""

    purpose: str
    name: str
    every: str
    coming: Row | None
    signing: Row | None
    retired: Sequence[Row]
    more_retired: int
    next_at: datetime | None
    ended: Sequence[Row]
    more_ended: int


class Why(ReasonForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = gettext_lazy("What happened to the key. It stands in the audit.")


def short(key: SigningKey) -> str:
    return f"{key.kid[:SHOWN]}…{key.kid[-SHOWN:]}"


def addresses(request: TenantRequest) -> list[tuple[str, str, str]]:
    """Where verifiers find the keys: an id for copying, a name, an address."""
    slug = request.tenant.slug
    return [
        ("jwks", _("JWKS"), settings.PORTAL_URL + reverse("jwks", args=[slug])),
        ("metadata", _("Metadata"), settings.PORTAL_URL + reverse("metadata", args=[slug])),
        ("issuer", _("Issuer"), tokens.issuer(settings.PORTAL_URL, slug)),
    ]


@tenant_view("keys.see")
@require_safe
def console_keys(request: TenantRequest) -> HttpResponse:
    policy = TokenPolicy.objects.get()
    rehearsed = Event.objects.filter(kind="signing_key.rehearsed").order_by("-number").first()
    context = {
        "families": _families(policy),
        "policy": policy,
        "terms": terms(policy),
        "addresses": addresses(request),
        "rehearsed": rehearsed,
        "may_manage": "keys.manage" in request.permissions,
    }
    return render(request, "keys/list.html", context)


@tenant_view("keys.see")
@require_safe
def console_key(request: TenantRequest, pk: UUID) -> HttpResponse:
    """One key: its life, where its last decision is enforced, and all that happened to it."""
    key = get_object_or_404(SigningKey, pk=pk)
    row = _rows([key], TokenPolicy.objects.get())[0]
    happenings = Event.objects.filter(subject_id=key.pk).order_by("-number")[:MOST_EVENTS]
    context = {
        "row": row,
        "events": [(event, _sentence(event, row.short), added(event.data)) for event in happenings],
        "may_manage": "keys.manage" in request.permissions,
        "may_read_events": "audit.read" in request.permissions,
    }
    return render(request, "keys/key.html", context)


def terms(policy: TokenPolicy) -> list[tuple[str, str]]:
    """The policy as it stands, in words."""
    days = timedelta(days=policy.api_key_days)
    return [
        (_("Algorithm"), policy.get_algorithm_display()),
        (_("A new key"), _("every %(time)s") % {"time": time_in_words(policy.rotation)}),
        (_("Tokens live"), time_in_words(policy.token_lifetime)),
        (_("A retired key is trusted"), _("%(time)s at least") % {"time": time_in_words(policy.overlap)}),
        (_("The JWKS is kept"), _("%(time)s at most") % {"time": time_in_words(policy.jwks_max_age)}),
        (_("API keys live"), _("%(time)s at most") % {"time": time_in_words(int(days.total_seconds()))}),
    ]


def _families(policy: TokenPolicy) -> list[Family]:
    """In as many queries for many keys as for one."""
    kept = {purpose: _kept(purpose) for purpose in Use.values}
    rows = {row.key.pk: row for row in _rows([key for keys in kept.values() for key in keys], policy)}
    return [_family(Use(purpose), [rows[key.pk] for key in keys], policy) for purpose, keys in kept.items()]


def _kept(purpose: str) -> list[SigningKey]:
    """What a page names: one more than it shows tells that there are more."""
    keys = SigningKey.objects.filter(purpose=purpose).defer("sealed")
    working = list(keys.filter(status__in=[Status.PUBLISHED, Status.ACTIVE]).order_by("id"))
    retired = list(keys.filter(status=Status.RETIRED).order_by("-retired_at", "id")[: MOST_RETIRED + 1])
    ended = list(keys.filter(status__in=[Status.REMOVED, Status.COMPROMISED]).order_by("-ended_at", "id")[: MOST_ENDED + 1])
    return [*working, *retired, *ended]


def _family(purpose: SigningKey.Use, rows: Sequence[Row], policy: TokenPolicy) -> Family:
    def of(*status: str) -> list[Row]:
        return [row for row in rows if row.key.status in status]

    coming, active = next(iter(of(Status.PUBLISHED)), None), next(iter(of(Status.ACTIVE)), None)
    retired, ended = of(Status.RETIRED), of(Status.REMOVED, Status.COMPROMISED)
    keys = SigningKey.objects.filter(purpose=purpose)
    more_retired = len(retired) > MOST_RETIRED and keys.filter(status=Status.RETIRED).count() - MOST_RETIRED
    more_ended = len(ended) > MOST_ENDED and keys.filter(status__in=[Status.REMOVED, Status.COMPROMISED]).count() - MOST_ENDED
    return Family(
        purpose=purpose,
        name=str(purpose.label),
        every=time_in_words(int(signing.rotation(purpose, policy).total_seconds())),
        coming=coming,
        signing=active,
        retired=retired[:MOST_RETIRED],
        more_retired=int(more_retired),
        next_at=_meant_until(active.key, policy) if active and not coming else None,
        ended=ended[:MOST_ENDED],
        more_ended=int(more_ended),
    )


def _rows(keys: Sequence[SigningKey], policy: TokenPolicy) -> list[Row]:
    decisions = receipts.newest_decisions([key.pk for key in keys])
    found = receipts.receipts_of(list(decisions.values()))
    return [_row(key, policy, decisions.get(key.pk), found) for key in keys]


def _row(key: SigningKey, policy: TokenPolicy, event: Event | None, found: Mapping[int, Receipt]) -> Row:
    announced = key.status == Status.PUBLISHED
    standing, waits = ("announced", rotation.waiting_for(key)) if announced else (str(key.status), [])
    return Row(key, standing, _life(key, policy), waits, event, found[event.number] if event else None)


def _life(key: SigningKey, policy: TokenPolicy) -> list[Step]:
    """Announced, signs, retires, leaves: what was, and what is meant to come. A compromised key's ends where it was given up."""
    signs, compromised = key.status == Status.ACTIVE, key.status == Status.COMPROMISED
    until = _meant_until(key, policy) if signs else None
    steps = [
        _step(_("Announced"), key.published_at, _("Will be announced"), None),
        _step(_("Signs since") if signs else _("Signed from"), key.activated_at, _("Will sign"), _meant_from(key)),
        _step(_("Retired"), key.retired_at, _("Will retire"), until),
        _step(_("Compromised") if compromised else _("Left the JWKS"), key.ended_at, _("Will leave the JWKS"), key.remove_at),
    ]
    return [step for step in steps if step.reached or not compromised]


def _step(was: str, at: datetime | None, will_be: str, meant: datetime | None) -> Step:
    return Step(was, at, reached=True) if at else Step(will_be, meant, reached=False)


def _meant_from(key: SigningKey) -> datetime | None:
    known = [at for at in (key.known_at, key.planned_for) if at is not None]
    return max(known) if known else None


def _meant_until(key: SigningKey, policy: TokenPolicy) -> datetime | None:
    """When the policy wants the next key to sign: at once, where the algorithm has changed or the key is given up already."""
    if key.activated_at is None or key.condemned_at is not None or tokens.algorithm_of(key.public_jwk) != policy.algorithm:
        return timezone.now()
    return key.activated_at + signing.rotation(key.purpose, policy)


def _sentence(event: Event, key: str) -> str:
    return happened(event.kind, event.data, actor=event.actor_name, subject=key, by_a_person=event.actor_id is not None)


# What people do. It waits for gateways, so it works outside any transaction.


@tenant_view("keys.manage")
@own_scope
@require_http_methods(["GET", "HEAD", "POST"])
def rehearse(request: TenantRequest, purpose: str) -> HttpResponse:
    """Say what a rehearsal does; then do it, and show what every gateway thought of the next key."""
    name = _purpose(purpose)
    form = PageForm(given(request))
    found, status = _carried_out(request, form, lambda _data: rehearsal.rehearse(request.tenant.pk, purpose, by=request.user))
    with inside(request, "keys.manage"):
        context: dict[str, Any] = {"purpose": purpose, "name": name, "form": form}
        if found is not None:
            # Sent once more, it is another rehearsal.
            context |= {"form": PageForm(), "found": found, "short": short(found.key), "ready": day_and_time(found.ready_at)}
            context |= _carried(found.behind)
        return render(request, "keys/rehearse.html", context, status=status)


@tenant_view("keys.manage")
@own_scope
@require_http_methods(["GET", "HEAD", "POST"])
def rotate(request: TenantRequest, purpose: str) -> HttpResponse:
    """Ask, then let the next key sign as soon as it is known everywhere."""
    name = _purpose(purpose)
    form = PageForm(given(request))
    event, status = _carried_out(request, form, lambda _data: rotation.rotate_now(request.tenant.pk, purpose, by=request.user))
    back = reverse("console-keys", args=[request.tenant.slug])
    with inside(request, "keys.manage"):
        if event is not None:
            return asking.finished(request, back=back, said=_what_rotating_did(event), event=event)
        question = asking.Question(
            title=_("Rotate the key for %(what)s of %(tenant)s now?") % {"what": name, "tenant": request.tenant.name},
            says=_what_rotating_does(purpose),
            button=_("Rotate now"),
            back=back,
            done="",
        )
        return asking.asked(request, question, form, status=status)


@tenant_view("keys.manage")
@own_scope
@require_http_methods(["GET", "HEAD", "POST"])
def compromise(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Show what stops, then trust nothing that the key signed."""
    with inside(request, "keys.manage"):
        key = get_object_or_404(SigningKey, pk=pk)
    there = reverse("console-key", args=[request.tenant.slug, key.pk])
    form = Why(given(request))
    event, status = _carried_out(
        request, form, lambda data: rotation.compromise(request.tenant.pk, key.pk, by=request.user, reason=data["reason"])
    )
    if event is not None:
        said = _("The key %(key)s is given up. What it signed is refused.") % {"key": short(key)}
        return asking.finished(request, back=there, said=said, event=event)
    if request.method != "POST" and key.status in {Status.REMOVED, Status.COMPROMISED}:
        messages.info(request, _("This key is trusted nowhere any more."))
        return redirect(there)
    with inside(request, "keys.manage"):
        return render(request, "keys/compromise.html", {"form": form, **_at_stake(key)}, status=status)


def _purpose(purpose: str) -> str:
    """In words, within a sentence."""
    words = {Use.ACCESS_TOKEN: _("access tokens"), Use.API_KEY: _("API keys")}
    if purpose not in words:
        raise Http404
    return words[Use(purpose)]


def _carried_out(request: TenantRequest, form: PageForm, act: Callable[[dict[str, Any]], T]) -> tuple[T | None, int]:
    """What came of it; or None, with the status of the page that asks, or asks again with all that was typed."""
    if request.method != "POST":
        return None, 200
    if not form.is_valid():
        return None, 422
    try:
        with inside(request, "keys.manage"):
            form.claim()
        return act(form.cleaned_data), 200
    except NotAllowed as refusal:
        status = 409
        form.refuse(refusal)
    except Invalid as refusal:
        status = 422
        form.refuse(refusal)
    # What was claimed is kept, unlike in an action's own transaction, so that the form may be sent again under another name.
    form.put("once", uuid4().hex)
    return None, status


def _what_rotating_does(purpose: str) -> str:
    policy, key, now = TokenPolicy.objects.get(), signing.published(purpose), timezone.now()
    known = now + timedelta(seconds=policy.jwks_max_age) + signing.SKEW
    if key is not None and key.known_at is not None:
        known = key.known_at
    waits = rotation.waiting_for(key) if key is not None else []
    if known > now:
        said = _(
            "The next key signs as soon as every gateway knows it, from %(time)s on: until then a verifier may hold a JWKS without it."
        ) % {"time": day_and_time(known)}
    elif waits:
        said = _("The next key signs as soon as these gateways know it: %(gateways)s.") % {"gateways": listed(waits)}
    else:
        said = _("The next key is known already, and signs at once.")
    after = _("The key that signs now retires, and its private half is destroyed. What it signed works on until it ends; no call notices.")
    return f"{said} {after}"


def _what_rotating_did(event: Event) -> str:
    if event.kind == "signing_key.activated":
        return _("The next key signs now.")
    key = SigningKey.objects.filter(pk=event.subject_id).first()
    at = _meant_from(key) if key else None
    if at is None or at <= timezone.now():
        return _("The next key is announced; it signs by itself as soon as every gateway knows it.")
    return _("The next key is announced; it signs by itself from %(time)s on.") % {"time": day_and_time(at)}


def _carried(behind: BlastRadius) -> dict[str, Any]:
    """What works with a key, for templates/keys/_behind.html."""
    rows = [(each, number_format(each.calls, force_grouping=True)) for each in behind.applications]
    return {
        "behind": behind,
        "carried": rows,
        "calls": number_format(sum(each.calls for each in behind.applications), force_grouping=True),
        "until": day_and_time(behind.tokens_until) if behind.tokens_until else "",
    }


def _at_stake(key: SigningKey) -> dict[str, Any]:
    """What a page says before a key is given up."""
    policy = TokenPolicy.objects.get()
    behind = rotation.blast_radius(key)
    connected = list(GatewayNode.objects.connected().filter(serving()).values_list("pk", flat=True))
    away = GatewayNode.objects.filter(serving(), revoked_at=None).exclude(pk__in=connected).order_by("name")
    return {
        "key": key,
        "short": short(key),
        **_carried(behind),
        "connected": len(connected),
        "away": list(away.values_list("name", flat=True)),
        "signs": key.status == Status.ACTIVE,
        "kept": time_in_words(policy.jwks_max_age),
    }


urlpatterns = [
    path("t/<str:tenant>/console/keys/", console_keys, name="console-keys"),
    path("t/<str:tenant>/console/keys/rehearse/<str:purpose>/", rehearse, name="console-keys-rehearse"),
    path("t/<str:tenant>/console/keys/rotate/<str:purpose>/", rotate, name="console-keys-rotate"),
    path("t/<str:tenant>/console/keys/<uuid:pk>/", console_key, name="console-key"),
    path("t/<str:tenant>/console/keys/<uuid:pk>/compromise/", compromise, name="console-key-compromise"),
]
