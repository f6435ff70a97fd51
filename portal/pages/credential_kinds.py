"""What the pages call each kind of credential, and say of it."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from keys.models import Credential

Kind = Credential.Kind


@dataclass(frozen=True, slots=True)
class Words:
    """`revoke`, `revoked` and `roll` name the credential as `%(named)s`; `new` names its application."""

    icon: str
    name: Promise
    about: Promise
    new: Promise
    hint: Promise
    make: Promise
    made: Promise
    note: Promise
    revoke: Promise
    revoked: Promise
    roll: Promise | str = ""
    rolling: Promise | str = ""
    grace: Promise | str = ""


WORDS: dict[str, Words] = {
    Kind.CLIENT_SECRET: Words(
        icon="lock-closed",
        name=_("Client secret"),
        about=_("The usual way. The application exchanges its client id and the secret for tokens that live for minutes."),
        new=_("A new secret for %(application)s"),
        hint=_("It is shown once, on the next page. What the application has already works on."),
        make=_("Make the secret"),
        made=_("Your new client secret"),
        note=_("Portico keeps a fingerprint only; a lost secret is rolled, not recovered."),
        revoke=_("Revoke the secret %(named)s now?"),
        revoked=_("The secret %(named)s of %(application)s is revoked."),
        roll=_("Roll the secret %(named)s?"),
        rolling=_("%(application)s gets a new secret, which is shown once, on the next page. The old one ends as you choose."),
        grace=_("How long does the old secret work on?"),
    ),
    Kind.API_KEY: Words(
        icon="key",
        name=_("API key"),
        about=_("For programs that can only send one fixed text. It calls gateways as it is, and works for months."),
        new=_("A new API key for %(application)s"),
        hint=_("It is shown once, on the next page. What the application has already works on."),
        make=_("Make the API key"),
        made=_("Your new API key"),
        note=_("Portico keeps nothing secret of it; a lost API key is rolled, not recovered."),
        revoke=_("Revoke the API key %(named)s now?"),
        revoked=_("The API key %(named)s of %(application)s is revoked."),
        roll=_("Roll the API key %(named)s?"),
        rolling=_("%(application)s gets a new API key, which is shown once, on the next page. The old one ends as you choose."),
        grace=_("How long does the old API key work on?"),
    ),
    Kind.KEY_PAIR: Words(
        icon="finger-print",
        name=_("Key pair"),
        about=_("No shared secret at all. The application signs its own proof, and its private key never leaves it."),
        new=_("A key pair for %(application)s"),
        hint=_("Portico gets the public half only. To change it later, add another and revoke this one."),
        make=_("Register the key pair"),
        made=_("The key pair is registered"),
        note=_("The private half stays with the application alone."),
        revoke=_("Revoke the key pair %(named)s now?"),
        revoked=_("The key pair %(named)s of %(application)s is revoked."),
    ),
    Kind.ISSUER: Words(
        icon="identification",
        name=_("Trusted issuer"),
        about=_("No secret to store. The application shows a token of its own identity provider, such as its cluster's or its cloud's."),
        new=_("A trusted issuer for %(application)s"),
        hint=_("Portico checks the provider's signature, and the claim that names this application. To change it, add another."),
        make=_("Trust this issuer"),
        made=_("The issuer is trusted"),
        note=_("Nothing secret is kept here."),
        revoke=_("Trust the issuer %(named)s no more?"),
        revoked=_("The issuer %(named)s is not trusted for %(application)s any more."),
    ),
}


def named(credential: Credential) -> str:
    """Known by its label and its last characters: one that replaced another has the same label."""
    return f"{credential.label} …{credential.last_four}".strip() if credential.last_four else credential.label
