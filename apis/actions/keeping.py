"""Secrets of an upstream that its next revision keeps: they go where they were given for, and nowhere else."""

from django.utils.translation import gettext as _

from apis import client_certificates
from apis.balancing import Balancing
from apis.connections import Connection
from apis.models import Upstream
from apis.upstreams import Address
from keys.envelope import unseal
from keys.kek import kek
from tenants.errors import Invalid


def keeps_secret(kept: Upstream, header: str, connection: Connection) -> bool:
    """Whether the header's is still what is asked for."""
    return kept.sealed != "" and kept.header == header.lower() and kept.connects.proves_as(connection)


def keeps_key(kept: Upstream, connection: Connection) -> bool:
    """Whether the private key belongs to the client certificate, which may be a newer one of the same key."""
    return kept.sealed_key != "" and client_certificates.same_key(kept.connects.client_certificate, connection.client_certificate)


def secret_of(kept: Upstream | None) -> bytes:
    return unseal(kept.sealed, kept.sealed_for, kek()) if kept else b""


def key_of(kept: Upstream | None) -> bytes:
    return unseal(kept.sealed_key, kept.sealed_key_for, kek()) if kept else b""


def hold_to_its_hosts(kept: Upstream, address: Address, connection: Connection, balances: Balancing, *, secret: bool, key: bool) -> None:
    """:raises Invalid: what is kept would prove the gateway to another one, whoever chose that."""
    if address.scheme != kept.scheme or not balances.places(address.host, address.port) <= kept.balances.places(kept.host, kept.port):
        # Else whoever may publish could have it sent to themselves, and read it.
        of_secret = _("The secret was given for %(host)s; type it again to send it elsewhere.")
        of_key = _("The private key was given for %(host)s; paste it again to use it elsewhere.")
    elif not connection.trusts_as(kept.connects):
        of_secret = _("It changes how %(host)s has to prove itself; type the secret again to send it there.")
        of_key = _("It changes how %(host)s has to prove itself; paste the private key again to use it there.")
    else:
        return
    said = {"secret": of_secret if secret else "", "client_key": of_key if key else ""}
    if problems := {name: [sentence % {"host": kept.host}] for name, sentence in said.items() if sentence}:
        raise Invalid(problems)
