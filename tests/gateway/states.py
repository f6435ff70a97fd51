"""A small tenant as the compiler gets it, with nothing that changes from run to run."""

from gateway.envoy.state import Access, Grant, Operation, Tenant, Upstream, Version
from keys import tokens

ISSUER, AUDIENCE = "http://portal.example/t/acme", "http://gateway.example/acme"
# A key for tests alone: its private half stands here for everybody to read.
_PEM = b"""-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgRbMzkyEgEPT/6Y/K
XzvWWRGWbQ999tCeL1tMPwz4Ed2hRANCAAQi5UA22sKulxtKxHv+I31DGXdDJ5QC
xiLzkBqX/OLRd8heEs539xQo10L4NJzTsM6TQ1j88dMO6DXvRGwul2n8
-----END PRIVATE KEY-----
"""
KEY = tokens.load(_PEM, "test-key")


def upstream(port: int = 9000, **fields: object) -> Upstream:
    found = {
        "key": "0123456789abcdef",
        "scheme": "http",
        "host": "127.0.0.1",
        "port": port,
        "path": "",
        "connect_timeout_ms": 1000,
        "timeout_ms": 5000,
        "addresses": ("127.0.0.1",),
    }
    return Upstream(**{**found, **fields})  # type: ignore[arg-type]


def orders(target: Upstream) -> Version:
    operations = (
        Operation("listOrders", "GET", "/orders"),
        Operation("createOrder", "POST", "/orders"),
        Operation("getOrder", "GET", "/orders/{id}"),
    )
    return Version("orders", "v1", target, operations)


def access() -> Access:
    grants = (
        Grant("orders", "app-1", "subscription-1", "", "gold", 100, 60),
        Grant("orders", "app-2", "subscription-2", "SUBSCRIPTION_SUSPENDED", "gold", 100, 60),
    )
    return Access(jwks=(tokens.public_jwk(KEY),), grants=grants, revoked_credentials=("credential-9",))


def small_tenant(port: int = 9000) -> Tenant:
    """Acme: one API, one active and one suspended subscription, one revoked credential."""
    return Tenant(
        slug="acme",
        issuer=ISSUER,
        audience=AUDIENCE,
        hosts=("127.0.0.1", "gateway.example"),
        access=access(),
        routes=(orders(upstream(port)),),
    )
