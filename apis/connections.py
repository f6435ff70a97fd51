"""How gateways connect to an upstream, beside its address: kept as JSON, in one spelling.

Pure. docs/upstreams.md explains each to publishers.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Self

from apis import certificates, client_certificates
from apis.certificates import Certificate, CertificateRefused
from tenants import addresses

HEADER, BEARER, BASIC = "header", "bearer", "basic"
CREDENTIALS = (HEADER, BEARER, BASIC)
# What carries the other two.
AUTHORIZATION = "authorization"
MOST_USER = 200
MOST_VALUE = 4_000
MOST_PATH = 200
# RFC 6750 §2.1.
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
# What has one spelling in a path (RFC 3986 §2.3).
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever catches the refusal translates it, this module knows no framework."""
    return sentence


class ConnectionRefused(ValueError):  # noqa: N818  (reads as the sentence it is)
    """What no gateway could connect with. `field` names it, `named` fills the placeholders of `sentence`."""

    def __init__(self, field: str, sentence: str, **named: object) -> None:
        super().__init__(sentence % named)
        self.field, self.sentence, self.named = field, sentence, named


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """`credential`: how the gateway proves itself, in a header of its own ("header", or not at all where that has no name), as a bearer
    token (RFC 6750) or as user and password (RFC 7617); `user` is "" but for the last.

    `strip_path`: what is taken off the beginning of an operation's path before the upstream's own is put there, "" or "/api/v3".

    `ca`: the authorities of which one has to have signed the upstream's certificate, in PEM; "" for those that gateways know. `sni`: the
    name that is asked for (RFC 6066 §3) and that the certificate has to have; "" for the address's own.

    `client_certificate`: what the gateway proves itself with in TLS beside that, in PEM, as apis.client_certificates.chain has it; "" for
    nothing.
    """

    credential: str = HEADER
    user: str = ""
    strip_path: str = ""
    ca: str = ""
    sni: str = ""
    client_certificate: str = ""

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """As `as_json` left it; also what a version of Portico left that knew less, or more."""
        return cls(**{each.name: kept[each.name] for each in fields(cls) if each.name in kept})

    def as_json(self) -> dict[str, Any]:
        """What is not as it is by itself, and nothing else."""
        return {name: value for name, value in asdict(self).items() if value != getattr(NONE, name)}

    def proves_as(self, other: "Connection") -> bool:
        """Whether a secret that was given for one is one of the other."""
        return (self.credential, self.user) == (other.credential, other.user)

    def trusts_as(self, other: "Connection") -> bool:
        """Whether what one takes for the upstream, the other does, too."""
        return (self.ca, self.sni) == (other.ca, other.sni)

    @property
    def authorities(self) -> tuple[Certificate, ...]:
        return certificates.shown(self.ca)

    @property
    def client_certificates(self) -> tuple[Certificate, ...]:
        """The gateway's own is the first."""
        return certificates.shown(self.client_certificate)

    def value(self, secret: str) -> str:
        """What the header says."""
        if self.credential == BASIC:
            return f"Basic {base64.b64encode(f'{self.user}:{secret}'.encode()).decode()}"
        return f"Bearer {secret}" if self.credential == BEARER else secret


NONE = Connection()


def read(
    *,
    now: datetime,
    scheme: str = "http",
    credential: str = HEADER,
    user: str = "",
    strip_path: str = "",
    ca: str = "",
    sni: str = "",
    client_certificate: str = "",
) -> Connection:
    """
    :param scheme: of the upstream's address.
    :raises ConnectionRefused: the first that can't be.
    """
    for field, given in ("ca", ca), ("sni", sni):
        if given.strip() and scheme != "https":
            raise ConnectionRefused(field, _("Only an address with https:// has a certificate; leave this empty."))
    if client_certificate.strip() and scheme != "https":
        raise ConnectionRefused("client_certificate", _("Only an address with https:// asks for a certificate; leave this empty."))
    return Connection(
        credential=credential,
        user=_user(credential, user),
        strip_path=_path(strip_path.strip()),
        ca=_authorities(ca.strip(), now),
        sni=_sni(sni.strip()),
        client_certificate=_chain(client_certificate.strip(), now),
    )


def header(connection: Connection, given: str) -> str:
    """The header that carries the secret; "" where nothing is asked for.

    :raises ConnectionRefused: a header beside a credential that has its own.
    """
    if connection.credential == HEADER:
        return given
    if given.lower() not in {"", AUTHORIZATION}:
        raise ConnectionRefused("header", _("A bearer token, or user and password, go into Authorization; leave the header empty."))
    return AUTHORIZATION


def check_secret(connection: Connection, secret: str) -> None:
    """
    :raises ConnectionRefused: no token, or no password.
    """
    if len(connection.value(secret)) > MOST_VALUE:
        raise ConnectionRefused("secret", _("With this secret the header would have more than 4,000 characters."))
    if connection.credential == BEARER and not _BEARER.fullmatch(secret):
        said = _("A bearer token is letters, digits and - . _ ~ + /, with = at its end at most; leave the word Bearer out.")
        raise ConnectionRefused("secret", said)
    if connection.credential == BASIC and not (secret and secret.isprintable()):
        raise ConnectionRefused("secret", _("Type the password; it has no control characters."))


def client_key(connection: Connection, given: str) -> str:
    """The private key of its client certificate, as it is sealed; "" where it has none.

    :raises ConnectionRefused: no key, another one's, or one without a certificate.
    """
    text = given.strip()
    if not connection.client_certificate:
        if text:
            raise ConnectionRefused("client_certificate", _("Paste the certificate of the private key, too."))
        return ""
    if not text:
        raise ConnectionRefused("client_key", _("Paste the private key of the certificate."))
    try:
        return client_certificates.private(text, connection.client_certificate)
    except CertificateRefused as refused:
        raise ConnectionRefused("client_key", refused.sentence, **refused.named) from None


def stripped(path: str, beginning: str) -> str:
    """What goes off at the beginning of an operation's path: all of `beginning`, a `strip_path`, or nothing."""
    return beginning if f"{path}/".startswith(f"{beginning}/") else ""


def _user(credential: str, given: str) -> str:
    if credential != BASIC:
        if given:
            raise ConnectionRefused("user", _("Only user and password have a user; leave it empty."))
        return ""
    if not given or len(given) > MOST_USER or ":" in given or not given.isprintable():
        raise ConnectionRefused("user", _("A user has 1 to %(most)s characters, and no colon."), most=MOST_USER)
    return given


def _path(given: str) -> str:
    found = given.rstrip("/")
    if not found:
        return ""
    if len(found) > MOST_PATH or not _PATH.fullmatch(found) or {".", ".."} & set(found.split("/")):
        said = _("“%(path)s” is not the beginning of a path; write for example /api/v3, with letters, digits and - . _ ~.")
        raise ConnectionRefused("strip_path", said, path=given[:60])
    return found


def _authorities(given: str, now: datetime) -> str:
    try:
        return certificates.authorities(given, now=now) if given else ""
    except CertificateRefused as refused:
        raise ConnectionRefused("ca", refused.sentence, **refused.named) from None


def _chain(given: str, now: datetime) -> str:
    try:
        return client_certificates.chain(given, now=now) if given else ""
    except CertificateRefused as refused:
        raise ConnectionRefused("client_certificate", refused.sentence, **refused.named) from None


def _sni(given: str) -> str:
    if not given:
        return ""
    found = addresses.host(given)
    if found is None or not addresses.is_name(found):
        raise ConnectionRefused("sni", _("“%(name)s” is not a host name; write for example orders.example.com."), name=given[:60])
    return found
