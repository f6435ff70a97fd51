"""A small tenant as the compiler gets it, with nothing that changes from run to run."""

from gateway.envoy.state import Access, ApiKey, Grant, Operation, Tenant, Upstream, Version
from keys import tokens

ISSUER, AUDIENCE = "http://portal.example/t/acme", "http://gateway.example/acme"
# Keys for tests alone: their private halves stand here for everybody to read.
_PEM = b"""-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgRbMzkyEgEPT/6Y/K
XzvWWRGWbQ999tCeL1tMPwz4Ed2hRANCAAQi5UA22sKulxtKxHv+I31DGXdDJ5QC
xiLzkBqX/OLRd8heEs539xQo10L4NJzTsM6TQ1j88dMO6DXvRGwul2n8
-----END PRIVATE KEY-----
"""
_API_KEY_PEM = b"""-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgiafB+FnJPiGgC3he
pPD7FizruV8eiObLHiMViLRW6ZuhRANCAARgLVio/67jTi8NV/4D/sVl75bh7R8W
T8ra1XdxkF7TTWET8xikyx72xJyPwmbRPpHm8/aJxoJ7XMGaNybqpJZz
-----END PRIVATE KEY-----
"""
KEY = tokens.load(_PEM, "test-key", "ES256")
API_KEY_KEY = tokens.load(_API_KEY_PEM, "test-api-key", "ES256")


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
        Operation("createOrder", "POST", "/orders", (("orders:write",), ("admin", "orders:read"))),
        Operation("getOrder", "GET", "/orders/{id}"),
    )
    return Version("orders", "v1", target, operations)


def access() -> Access:
    grants = (
        Grant("orders", "app-1", "subscription-1", "", "gold", 100, 60),
        Grant("orders", "app-2", "subscription-2", "SUBSCRIPTION_SUSPENDED", "gold", 100, 60),
    )
    return Access(
        jwks=(tokens.public_jwk(KEY),),
        api_key_jwks=(tokens.public_jwk(API_KEY_KEY),),
        grants=grants,
        api_keys=(ApiKey("key-1"), ApiKey("key-8", "KEY_EXPIRED"), ApiKey("key-9", "KEY_REVOKED")),
        revoked_credentials=("credential-9",),
        revoked_tokens=("token-9",),
    )


def small_tenant(port: int = 9000) -> Tenant:
    """Acme: one API, one active and one suspended subscription, one revoked credential, one revoked token, three API keys."""
    return Tenant(
        slug="acme",
        issuer=ISSUER,
        audience=AUDIENCE,
        hosts=("127.0.0.1", "gateway.example"),
        access=access(),
        routes=(orders(upstream(port)),),
    )
