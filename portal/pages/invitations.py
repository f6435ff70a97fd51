"""Invitations: who was asked in, the page that their link opens, and the door for who needs none."""

from typing import Any
from uuid import UUID

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from portal.accounts import hashed
from portal.accounts_fields import NewPassword
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.listing import chosen, page_of, sought
from portal.pages.members import RolesField, built_in, givable, names_of
from portal.words import ROLES, listed
from tenants import due, throttle
from tenants.access import TenantRequest, open_to_all, signed_in, tenant_view
from tenants.errors import NotAllowed
from tenants.models import Invitation, Membership, SignUp, Team, Tenant, TenantSettings, User
from tenants.people import invitations, members


@tenant_view("members.manage")
@require_safe
def console_invitations(request: TenantRequest) -> HttpResponse:
    q, status = sought(request), chosen(request, "status", Invitation.Status.values)
    rows = Invitation.objects.select_related("invited_by", "team")
    if q:
        rows = rows.filter(email__icontains=q)
    if status:
        rows = rows.filter(status=status)
    page = page_of(request, rows)
    own = names_of(pk for each in page.rows for pk in each.custom_roles)
    at = TenantSettings.objects.get()
    context = {
        "page": page,
        "rows": [(each, built_in(each.roles), [own[pk] for pk in each.custom_roles if pk in own]) for each in page.rows],
        "q": q,
        "status": status,
        "statuses": Invitation.Status.choices,
        "open": at.sign_up == SignUp.OPEN,
        "domains": ", ".join(at.sign_up_domains) if at.sign_up == SignUp.DOMAINS else "",
        "door": settings.PORTAL_URL + reverse("join", args=[request.tenant.slug]),
    }
    return render(request, "invitations/list.html", context)


class InviteForm(PageForm):
    emails = Text(
        most=50 * 256,
        lines=4,
        label=gettext_lazy("E-mail addresses"),
        help_text=gettext_lazy("One a line, or with commas between them; up to 50."),
    )
    roles = RolesField(label=gettext_lazy("Roles"))
    team = forms.ChoiceField(
        required=False, label=gettext_lazy("Team"), error_messages={"invalid_choice": gettext_lazy("There is no such team.")}
    )

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["roles"].choices = choices  # type: ignore[attr-defined]
        self.fields["roles"].error_messages["required"] = _("Choose at least one.")
        self.fields["emails"].widget.attrs |= {"autocapitalize": "none", "spellcheck": "false"}
        if teams := [(str(each.pk), each.name) for each in Team.objects.order_by("name")]:
            self.fields["team"].choices = [("", _("None")), *teams]  # type: ignore[attr-defined]
        else:
            del self.fields["team"]

    @property
    def typed(self) -> dict[str, Any]:
        """What `invitations.invite` takes beside addresses."""
        team = self.cleaned_data.get("team")
        return {**RolesField.split(self.cleaned_data["roles"]), "team": Team.objects.filter(pk=team).first() if team else None}


@tenant_view("members.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: TenantRequest) -> HttpResponse:
    """Ask people in; `?email=` and `?role=` begin it."""
    initial = {"emails": request.GET.get("email", "")[:254], "roles": request.GET.getlist("role")[:20] or ["developer"]}
    form = InviteForm(given(request), choices=givable(request.permissions), initial=initial)
    again: list[Invitation] = []

    emails: list[str] = []

    def ask_in(typed: dict[str, Any]) -> list[Invitation]:
        emails.extend(invitations.addresses_in(typed["emails"]))
        return invitations.invite(emails, **form.typed, by=request.user)

    if done := asking.carried_out(request, form, ask_in):
        many = len(done.result)
        said = ngettext("%(many)s person is invited.", "%(many)s people are invited.", many) % {"many": many}
        return asking.finished(request, back=_list(request), said=said)
    if form.http_status == 422 and emails:
        again = list(invitations.invited_already(emails).values())
    return render(request, "invitations/invite.html", {"form": form, "again": again}, status=form.http_status)


def _list(request: TenantRequest) -> str:
    return reverse("console-member-invitations", args=[request.tenant.slug])


@tenant_view("members.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def resend(request: TenantRequest, pk: UUID) -> HttpResponse:
    invited: Invitation = get_object_or_404(Invitation, pk=pk)
    question = asking.Question(
        title=_("Invite %(email)s again?") % {"email": invited},
        says=_("They get another mail, whose link works for seven days. The link of the earlier mail ends."),
        button=_("Send it again"),
        back=_list(request),
        done=_("Another mail goes to %(email)s.") % {"email": invited},
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _data: invitations.renew(invited, by=request.user))


@tenant_view("members.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: TenantRequest, pk: UUID) -> HttpResponse:
    invited: Invitation = get_object_or_404(Invitation, pk=pk)
    question = asking.Question(
        title=_("Take the invitation of %(email)s back?") % {"email": invited},
        says=_("The link in their mail opens nothing from now on. You can invite them anew."),
        button=_("Take it back"),
        back=_list(request),
        done=_("The invitation of %(email)s is taken back.") % {"email": invited},
        danger=True,
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _data: invitations.revoke(invited, by=request.user))


# --- for who was invited --------------------------------------------------------------------------------------------


class NewPersonForm(PageForm):
    name = Text(most=80, label=gettext_lazy("Name"), help_text=gettext_lazy("Others see it beside what you did."))
    password = NewPassword(label=gettext_lazy("Password"))

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email
        self.fields["name"].widget.attrs["autocomplete"] = "name"

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if "password" in data:
            try:
                validate_password(data["password"], User(email=self.email, name=data.get("name", "")))
            except ValidationError as error:
                self.add_error("password", error)
        return data


@open_to_all("the link is the proof, and shows no more than the mail that it came in")
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, tenant: str, token: str) -> HttpResponse:
    """What a link opens. Nothing is done by looking: programs that check mails follow links."""
    at: Tenant | None = getattr(request, "tenant", None)
    found = invitations.behind(token) if at else None
    if at is None or found is None:
        return render(request, "invitations/nowhere.html", status=404)
    invited, nonce = found
    # Whom another tenant's provider signed in is nobody here.
    reader = request.user if isinstance(request.user, User) and request.user.only_in in {None, at.pk} else None
    if reader and invited.accepted_by_id == reader.pk:
        return redirect("catalogue", tenant)
    if why := invitations.refusal(invited, nonce, now=due.now()):
        return render(request, "invitations/over.html", {"why": why, "invited": invited}, status=410)
    if request.method == "POST":
        # As what members send is counted; here by the link, which may be nobody's yet.
        throttle.change(invited.pk, at=at.pk)
    shown = _what_it_is(at, invited)
    if reader is None and not _known(invited.email):
        return _begin(request, invited, nonce, shown)
    if reader is None or reader.email != invited.email:
        shown["stands"] = "sign in" if reader is None else "another"
        return render(request, "invitations/invitation.html", shown, status=409 if request.method == "POST" else 200)
    return _accept(request, invited, nonce, reader, shown)


def _what_it_is(at: Tenant, invited: Invitation) -> dict[str, Any]:
    own = names_of(invited.custom_roles).values()
    return {"invited": invited, "at": at, "roles": listed([*built_in(invited.roles), *own]), "stands": "here"}


def _known(email: str) -> bool:
    user = User.objects.filter(email=email).first()
    return user is not None and invitations.has_account(user)


def _accept(request: HttpRequest, invited: Invitation, nonce: str, reader: User, shown: dict[str, Any]) -> HttpResponse:
    if request.method == "POST":
        try:
            invitations.accept(invited, nonce, by=reader)
        except NotAllowed as refusal:
            return render(request, "invitations/invitation.html", {**shown, "refusal": str(refusal)}, status=409)
        return _welcome(request, shown["at"])
    return render(request, "invitations/invitation.html", shown)


def _welcome(request: HttpRequest, at: Tenant) -> HttpResponse:
    messages.success(request, _("You are a member of %(tenant)s now.") % {"tenant": at})
    return redirect("catalogue", at.slug)


def _begin(request: HttpRequest, invited: Invitation, nonce: str, shown: dict[str, Any]) -> HttpResponse:
    """Who has no account gets one: the link has proven the address."""
    form = NewPersonForm(request.POST if request.method == "POST" else None, email=invited.email)
    shown |= {"form": form, "stands": "new"}
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            name, word = form.cleaned_data["name"], hashed(form.cleaned_data["password"])
            try:
                user = invitations.accept_as_new(invited, nonce, name=name, hashed=word, language=get_language() or "")
            except NotAllowed as refusal:
                status = 409
                form.refuse(refusal)
            else:
                request.session.set_expiry(settings.SESSION_COOKIE_AGE)
                back = reverse("catalogue", args=[shown["at"].slug])
                login = Login(user=user, email=user.email, redirect_url=back)
                answer: HttpResponse = perform_password_login(request, {"email": user.email}, login)
                return answer
    return render(request, "invitations/invitation.html", shown, status=status)


# Without a word on methods: where there is nothing, none of them is wrong.
@signed_in
def join(request: HttpRequest, tenant: str) -> HttpResponse:
    """Become a member without an invitation, where the settings let one; else it looks as if there were nothing."""
    at: Tenant | None = getattr(request, "tenant", None)
    if at is None:
        raise Http404
    assert isinstance(request.user, User)
    reader = request.user
    if Membership.objects.filter(user=reader).exists():
        return redirect("catalogue", tenant)
    if not members.may_join(reader):
        raise Http404
    role = ROLES[TenantSettings.objects.values_list("sign_up_role", flat=True).get()]
    question = asking.Question(
        title=_("Join %(tenant)s?") % {"tenant": at},
        says=_("You become a member, with this role: %(role)s. The other members see your name and %(email)s.")
        % {"role": role, "email": reader.email},
        button=_("Join %(tenant)s") % {"tenant": at},
        back=reverse("catalogue", args=[tenant]) if request.method == "POST" else reverse("tenants-page"),
        done=_("You are a member of %(tenant)s now.") % {"tenant": at},
    )

    def enter(_data: dict[str, Any]) -> None:
        members.join(reader)

    return asking.ask(request, question, PageForm(given(request)), enter)


urlpatterns = [
    path("t/<str:tenant>/console/members/invitations/", console_invitations, name="console-member-invitations"),
    path("t/<str:tenant>/console/members/invite/", invite, name="console-member-invite"),
    path("t/<str:tenant>/console/members/invitations/<uuid:pk>/resend/", resend, name="console-member-invitation-resend"),
    path("t/<str:tenant>/console/members/invitations/<uuid:pk>/revoke/", revoke, name="console-member-invitation-revoke"),
    path("t/<str:tenant>/invitations/<str:token>/", invitation, name="invitation"),
    path("t/<str:tenant>/join/", join, name="join"),
]
