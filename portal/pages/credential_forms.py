"""What is asked for to add a credential of each kind, and to roll one."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from keys.actions.credentials import BEFORE_YEAR, GRACES
from keys.jwks import MAX_BYTES, JwksRefused, read_public
from keys.models import Credential, TokenPolicy
from portal import words
from portal.forms import PageForm, Text
from portal.pages.credential_kinds import WORDS
from tenants.errors import Invalid, NotAllowed

Kind = Credential.Kind
# What actions call otherwise than the forms do.
_ASKED_AS = {"expires_at": "last_day", "claim": "claim_name"}


class LabelForm(PageForm):
    label = Text(
        most=80,
        empty=True,
        label=gettext_lazy("Label"),
        help_text=gettext_lazy("Where it is used, such as “CI” or “production”. It tells credentials apart."),
    )

    def refuse(self, refusal: NotAllowed | Invalid) -> None:
        if isinstance(refusal, Invalid):
            refusal = Invalid({_ASKED_AS.get(name, name): said for name, said in refusal.problems.items()})
        super().refuse(refusal)


class EndForm(LabelForm):
    """With a last day, which ends where the person lives."""

    last_day = forms.DateField(
        required=False,
        label=gettext_lazy("Last day"),
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        error_messages={"invalid": gettext_lazy("Write a date such as 2027-03-31.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["last_day"].help_text = self.ends(timezone.get_current_timezone_name())

    def ends(self, zone: str) -> str:
        return _("It ends with this day (%(zone)s). Left empty, it works until it is revoked.") % {"zone": zone}

    def clean_last_day(self) -> date | None:
        day: date | None = self.cleaned_data["last_day"]
        if day is not None and day < timezone.localdate():
            raise forms.ValidationError(_("This day has passed; choose a later one."))
        if day is not None and day.year >= BEFORE_YEAR:
            raise forms.ValidationError(_("Choose a year before %(year)s, or leave this empty.") % {"year": BEFORE_YEAR})
        return day

    @property
    def expires_at(self) -> datetime | None:
        """The end of the last day, in the person's time zone."""
        day: date | None = self.cleaned_data["last_day"]
        return datetime.combine(day + timedelta(days=1), time(), tzinfo=timezone.get_current_timezone()) if day else None


class ApiKeyForm(EndForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.days = TokenPolicy.objects.values_list("api_key_days", flat=True).get()
        self.latest = timezone.now() + timedelta(days=self.days)
        super().__init__(*args, **kwargs)

    def ends(self, zone: str) -> str:
        said = _("It ends with this day (%(zone)s), and after %(days)s days at the latest, as it does when this is left empty.")
        return said % {"zone": zone, "days": self.days}

    def clean_last_day(self) -> date | None:
        day = super().clean_last_day()
        if day is not None and day > timezone.localdate(self.latest):
            raise forms.ValidationError(_("API keys work for at most %(days)s days here; choose an earlier day.") % {"days": self.days})
        return day

    @property
    def expires_at(self) -> datetime | None:
        """On the last day that there can be, it ends at the time of now."""
        end = super().expires_at
        return min(end, self.latest) if end else None


JWKS_HELP = gettext_lazy("JSON: a public JWK, or a JWKS with several. P-256, P-384, Ed25519, or RSA of 2,048 bits and more.")


class KeysForm(LabelForm):
    """With public keys, which are pasted."""

    jwks = Text(most=MAX_BYTES, lines=8, label=gettext_lazy("Public key"), help_text=JWKS_HELP)

    def clean_jwks(self) -> dict[str, Any] | None:
        text = self.cleaned_data["jwks"]
        try:
            return read_public(text) if text else None
        except JwksRefused as refusal:
            raise forms.ValidationError(_(refusal.sentence) % refusal.named) from None


class KeyPairForm(EndForm, KeysForm):
    field_order = ("label", "jwks", "last_day")


class IssuerForm(KeysForm):
    issuer = Text(
        most=500,
        label=gettext_lazy("Issuer"),
        help_text=gettext_lazy("As it stands in the claim iss of its tokens, such as https://login.example.com/tenant."),
    )
    claim_name = Text(
        most=80, initial="sub", label=gettext_lazy("Claim"), help_text=gettext_lazy("It says who asks: sub, azp or client_id.")
    )
    claim_value = Text(
        most=500,
        label=gettext_lazy("Value of the claim"),
        help_text=gettext_lazy("Exactly what stands there in the tokens of this application, and of no other."),
    )
    jwks_url = Text(
        most=500,
        empty=True,
        label=gettext_lazy("Address of its keys"),
        help_text=gettext_lazy("Its jwks_uri, with https. Portico fetches the keys now, and again when it meets a new one."),
    )
    field_order = ("label", "issuer", "claim_name", "claim_value", "jwks_url", "jwks")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["jwks"].required = False
        self.fields["jwks"].label = _("Its public keys")
        self.fields["jwks"].help_text = _("Instead of the address. %(what)s") % {"what": JWKS_HELP}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not {"jwks", "jwks_url"} & set(self.errors) and bool(data.get("jwks")) == bool(data.get("jwks_url")):
            self.add_error("jwks_url", _("Give the address of the keys, or the keys: one of the two."))
        return data


FORMS: dict[str, type[LabelForm]] = {
    Kind.CLIENT_SECRET: EndForm,
    Kind.API_KEY: ApiKeyForm,
    Kind.KEY_PAIR: KeyPairForm,
    Kind.ISSUER: IssuerForm,
}


class RollForm(PageForm):
    grace = forms.ChoiceField(
        widget=forms.RadioSelect,
        initial="24h",
        error_messages={"invalid_choice": gettext_lazy("Choose one of these.")},
    )

    def __init__(self, credential: Credential, data: QueryDict | None) -> None:
        super().__init__(data)
        self.fields["grace"].label = str(WORDS[credential.kind].grace)
        self.fields["grace"].choices = [(name, _what_grace_does(credential, name)) for name in GRACES]  # type: ignore[attr-defined]


def _what_grace_does(credential: Credential, grace: str) -> str:
    """What will happen to the old one, said before it does."""
    if grace == "0":
        return _("Not at all: it and its tokens end at once")
    until = timezone.now() + GRACES[grace]
    if credential.expires_at is not None and credential.expires_at < until:
        until = credential.expires_at
    name = {"1h": _("An hour"), "24h": _("A day"), "7d": _("Seven days")}[grace]
    return _("%(grace)s: until %(time)s, then it and its tokens end") % {"grace": name, "time": words.day_and_time(until)}
