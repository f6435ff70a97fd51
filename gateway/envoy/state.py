"""What gateways should enforce for one tenant: frozen, sorted, complete. gateway.desired reads it, the compiler turns it into resources."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    operation_id: str
    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Upstream:
    """`key` names its cluster: all that decides how a connection is made, but not the addresses, which may change under it."""

    key: str
    scheme: str
    host: str
    port: int
    path: str
    connect_timeout_ms: int
    timeout_ms: int
    addresses: tuple[str, ...]
    header: str = ""
    secret: bytes = b""


@dataclass(frozen=True, slots=True)
class Version:
    """`cors`: the origins whose pages may call it from a browser."""

    api: str
    name: str
    upstream: Upstream
    operations: tuple[Operation, ...]
    cors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """What happens to one caller of one API: `refusal` is "" for an active subscription, else the code that its calls are answered with."""

    api: str
    client_id: str
    subscription: str
    refusal: str
    plan: str = ""
    calls: int = 0
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call: keys that are trusted, grants, and credentials whose tokens are refused."""

    jwks: tuple[Mapping[str, str], ...]
    grants: tuple[Grant, ...]
    revoked_credentials: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tenant:
    """`routes` is empty when nothing is published; None asks for the closed configuration, which lets nothing through."""

    slug: str
    issuer: str
    audience: str
    hosts: tuple[str, ...]
    access: Access
    routes: tuple[Version, ...] | None
