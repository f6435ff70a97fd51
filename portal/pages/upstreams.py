"""Where calls go, as forms about an API ask for it."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apis import balancing, certificates, client_certificates, connections
from apis.models import Draft, Upstream
from portal.forms import Text
from portal.kept import CERTIFICATES
from portal.pages.balancing import BalancingForm
from portal.pages.plans import number

# What a form tells of a connection, in the words of apis.connections.read.
CONNECTS = ("credential", "user", "strip_path", "ca", "sni", "client_certificate")
# The same with what it tells in the words of apis.balancing.read.
HOW = (*CONNECTS, *balancing.NAMES)
# What it tells of an upstream.
UPSTREAM = ("upstream", "header", "secret", "client_key", "connect_timeout_ms", "timeout_ms", *HOW)
CREDENTIALS = (
    (connections.HEADER, gettext_lazy("in the header below, or not at all")),
    (connections.BEARER, gettext_lazy("as a bearer token")),
    (connections.BASIC, gettext_lazy("as user and password")),
)


class Untold(forms.Textarea):
    """A private key has lines, which a password's field would lose. Whatever was typed never comes back in a page."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:  # noqa: ARG002
        return super().get_context(name, None, attrs)


class UpstreamForm(BalancingForm):
    mock = forms.BooleanField(
        required=False,
        label=gettext_lazy("Answer from its examples for now"),
        help_text=gettext_lazy(
            "A mock, while there is no upstream: gateways answer each operation themselves, with the document's examples or made-up "
            "ones, and say so in the header x-portico-mock. Nothing below is needed then."
        ),
    )
    upstream = Text(
        most=800,
        label=gettext_lazy("Where calls go"),
        help_text=gettext_lazy(
            "Such as https://orders.example.com/base. Gateways call the addresses it has, and are told when those change."
        ),
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"}),
    )
    credential = forms.ChoiceField(
        required=False,
        choices=CREDENTIALS,
        label=gettext_lazy("How the gateway proves itself there"),
        help_text=gettext_lazy("Callers see nothing of it. Bearer tokens, users and passwords go into the header Authorization."),
    )
    header = Text(
        most=80,
        empty=True,
        label=gettext_lazy("Header"),
        help_text=gettext_lazy("The gateway puts it on each call, such as x-api-key. Callers never see it."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    user = Text(
        most=connections.MOST_USER,
        empty=True,
        label=gettext_lazy("User"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    secret = forms.CharField(
        required=False,
        strip=False,
        label=gettext_lazy("The header's secret, the token or the password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    strip_path = Text(
        most=connections.MOST_PATH,
        empty=True,
        label=gettext_lazy("Taken off the beginning of paths"),
        help_text=gettext_lazy("Such as /api/v3, where the document's paths have it and the upstream's do not."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    ca = Text(
        most=certificates.MOST_CHARACTERS,
        empty=True,
        label=gettext_lazy("Its authorities"),
        help_text=gettext_lazy(
            "Certificates in PEM, of which one has to have signed the upstream's own. Empty for those that browsers know, too."
        ),
        widget=forms.Textarea(attrs={"class": "mono", "rows": 4, "spellcheck": "false", "autocomplete": "off"}),
    )
    sni = Text(
        most=253,
        empty=True,
        label=gettext_lazy("Name in its certificate"),
        help_text=gettext_lazy("Where it is another than the address's: asked for with SNI, and held to."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    client_certificate = Text(
        most=certificates.MOST_CHARACTERS,
        empty=True,
        label=gettext_lazy("Client certificate"),
        help_text=gettext_lazy("Where the upstream asks for one: the gateway's own in PEM, then each that has signed the one before it."),
        widget=forms.Textarea(attrs={"class": "mono", "rows": 4, "spellcheck": "false", "autocomplete": "off"}),
    )
    client_key = Text(
        most=client_certificates.MOST_KEY_CHARACTERS,
        empty=True,
        label=gettext_lazy("Its private key"),
        help_text=gettext_lazy("In PEM, without a passphrase. It is sealed, and never shown again."),
        widget=Untold(attrs={"class": "mono", "rows": 4, "spellcheck": "false", "autocomplete": "off"}),
    )
    connect_timeout_ms = number(100, 30_000, initial=5_000, label=gettext_lazy("Milliseconds to connect"))
    timeout_ms = number(100, 300_000, initial=30_000, label=gettext_lazy("Milliseconds to answer"))

    def clean(self) -> dict[str, Any]:
        told = super().clean()
        # What is told of an upstream beside it does not count, whatever it is.
        for name in UPSTREAM if told.get("mock") else ():
            self.errors.pop(name, None)
        return told

    def clean_secret(self) -> str:
        text: str = self.cleaned_data["secret"]
        if len(text) > 4_000:
            raise forms.ValidationError(_("The secret has at most 4,000 characters."))
        return text

    def clean_credential(self) -> str:
        return self.cleaned_data["credential"] or connections.HEADER

    def says_secret_is_gone(self) -> None:
        """A secret never comes back in a page, so after an error it has to be typed again."""
        if self.data.get("secret"):
            self.add_error("secret", _("Type the secret again: it is never shown."))
        if self.data.get("client_key"):
            self.add_error("client_key", _("Paste the private key again: it is never shown."))
        for name in CERTIFICATES:
            if certificates.holds_private_key(self.data.get(name, "")):
                self.put(name, certificates.without_private_keys(self.data[name]))

    @property
    def more_is_open(self) -> bool:
        return bool({"strip_path", "ca", "sni", "client_certificate", "client_key", "connect_timeout_ms", "timeout_ms"} & set(self.errors))


def as_it_is(found: Upstream | Draft) -> dict[str, Any]:
    """What a form shows of it at first, beside its address."""
    connects = found.connects
    told = {name: getattr(connects, name) for name in CONNECTS}
    # Authorization goes without saying for the other two.
    told["header"] = found.header if connects.credential == connections.HEADER else ""
    return {**told, **found.balances.given, "connect_timeout_ms": found.connect_timeout_ms, "timeout_ms": found.timeout_ms}


def asks_the_same(told: dict[str, Any], draft: Draft) -> bool:
    """Whether the secret that was given for the draft is what the form asks for, too."""
    was = as_it_is(draft)
    return all(told[name].lower() == was[name].lower() for name in ("credential", "user", "header"))
