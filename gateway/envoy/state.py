"""What gateways should enforce for one tenant: frozen, sorted, complete. gateway.desired reads it, the compiler turns it into resources."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from apis.balancing import HealthCheck
from apis.policies import NONE, Policies
from gateway.envoy.ai.state import Ai


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answers itself, in place of an upstream: `body` as it is sent, "" for none, then without a media type."""

    status: int
    media_type: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """`answer`: where its version has no upstream.

    `scopes`: alternatives, of each of which all are needed, as security requirements say (OpenAPI 3.1 §4.8.30); () if none is."""

    operation_id: str
    method: str
    path: str
    scopes: tuple[tuple[str, ...], ...] = ()
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """`weight`: its share of the calls, 0 for none."""

    host: str
    port: int
    weight: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Upstream:
    """`key` names its cluster: all that decides how a connection is made, but not the addresses, which may change under it.

    `strip_path` goes off operations' paths before `path` is put there. `retry_percent`: how many of the calls under way may be
    repetitions, 0 where none is. `ca`: authorities in PEM, "" for the gateway's own; `sni`: the name in the certificate, "" for `host`.
    `client_certificate`: what the gateway proves itself with, in PEM, "" for nothing, and `client_key` its private key, too.

    `further`: targets that share the calls with `host` and its `weight`. `check`: how all are looked after; None not at all.
    """

    key: str
    scheme: str
    host: str
    port: int
    path: str
    connect_timeout_ms: int
    timeout_ms: int
    addresses: tuple[str, ...]
    header: str = ""
    # What no repr shows: nobody reads it there, and gateway.envoy.resources compares versions by theirs.
    secret: bytes = field(default=b"", repr=False)
    retry_percent: int = 0
    strip_path: str = ""
    ca: str = ""
    sni: str = ""
    client_certificate: str = ""
    client_key: bytes = field(default=b"", repr=False)
    weight: int = 1
    further: tuple[Target, ...] = ()
    check: HealthCheck | None = None

    @property
    def targets(self) -> tuple[Target, ...]:
        return (Target(self.host, self.port, self.weight, self.addresses), *self.further)

    def authority(self, host: str, port: int) -> str:
        """As calls name it in Host (RFC 9110 §7.2)."""
        name = f"[{host}]" if ":" in host else host
        return name if port == (443 if self.scheme == "https" else 80) else f"{name}:{port}"


@dataclass(frozen=True, slots=True)
class Goodbye:
    """What the answers of a version say that is going: since when and until when, in seconds since 1970, and what comes after it.

    `sunset` is None where nobody has said; `successor` is another version's name, or "".
    """

    deprecated: int
    sunset: int | None = None
    successor: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """`upstream`: None where each operation has an answer of its own, or `ai` says what answers. `cors`: the origins whose pages may call
    it from a browser; `policies`: the API's.

    `refusal` is the code that every call of an operation is answered with, API_BLOCKED or BROWN_OUT; "" where calls pass.

    `tested`: the number of a revision that is tried at an address of its own; 0 for the live one. `mcp`: it has tools.
    """

    api: str
    name: str
    upstream: Upstream | None
    operations: tuple[Operation, ...]
    cors: tuple[str, ...] = ()
    refusal: str = ""
    goodbye: Goodbye | None = None
    policies: Policies = NONE
    tested: int = 0
    mcp: bool = False
    ai: Ai | None = None

    @property
    def segment(self) -> str:
        """Of its address, what comes after the API's."""
        return f"{self.name}~{self.tested}" if self.tested else self.name


@dataclass(frozen=True, slots=True)
class Retired:
    """A version that is no more."""

    api: str
    name: str
    cors: tuple[str, ...] = ()
    goodbye: Goodbye | None = None

    @property
    def segment(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Grant:
    """What happens to one caller of one API: `refusal` is "" for an active subscription, else the code that its calls are answered with.

    `until`: when that ends by itself, in seconds since 1970; 0 where it does not. `scopes`: what its plan includes of those that operations
    need; () for all. `burst`: how many of its `calls` may come at once; 0 for all of them.

    Of an AI API, `models`: the names that its plan includes; () for all. `max_tokens`: for how many a call may ask, and
    `tokens_per_minute` all of them together; 0 sets no limit. All grants of one plan of an API have the same three.
    """

    api: str
    client_id: str
    subscription: str
    refusal: str
    plan: str = ""
    calls: int = 0
    seconds: int = 0
    until: int = 0
    scopes: tuple[str, ...] = ()
    burst: int = 0
    models: tuple[str, ...] = ()
    max_tokens: int = 0
    tokens_per_minute: int = 0


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`id` is the key's `jti`; `refusal` is "" while it works, else KEY_REVOKED or KEY_EXPIRED."""

    id: str
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may call: keys that are trusted, grants, and what is refused although it is signed.

    `jwks` signs access tokens and `api_key_jwks` API keys, of which `api_keys` are all that the tenant knows. `revoked_credentials` are
    claims `cid`, `revoked_tokens` claims `jti` of access tokens.
    """

    jwks: tuple[Mapping[str, str], ...]
    api_key_jwks: tuple[Mapping[str, str], ...]
    grants: tuple[Grant, ...]
    api_keys: tuple[ApiKey, ...]
    revoked_credentials: tuple[str, ...]
    revoked_tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OwnHost:
    """A host name of the tenant's own at the gateway, and what is served under it; `certificate` and `key` are "" while there is none.

    `audience`: what tokens for the tenant's gateway may say in its place.
    """

    name: str
    audience: str
    certificate: str = ""
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Logged:
    """Which headers of calls, and of their answers, the access log has; of `masked` ones only that they were there."""

    request: tuple[str, ...] = ()
    response: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mcp:
    """The service that speaks MCP: where gateways find it, unix:/path or host:port, and the secret that it knows them by."""

    address: str
    secret: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Tenant:
    """`routes` is empty when nothing is published; None asks for the closed configuration, which lets nothing through.

    `suspended`: nor does anything pass whatever the rest says, and calls are told why. `portal`: the origin of Portico's own pages, which
    may call every API from a browser; "" for none.

    `gateways`: among how many its limits are divided. `max_calls`: how many calls a second pass, of all its APIs together; 0 sets no limit.

    `mcp`: None where no version has tools.
    """

    slug: str
    issuer: str
    audience: str
    hosts: tuple[str, ...]
    access: Access
    routes: tuple[Version, ...] | None
    suspended: bool = False
    retired: tuple[Retired, ...] = ()
    portal: str = ""
    own_hosts: tuple[OwnHost, ...] = ()
    gateways: int = 1
    max_calls: int = 0
    logged: Logged = Logged()
    mcp: Mcp | None = None

    @property
    def audiences(self) -> tuple[str, ...]:
        return (self.audience, *(host.audience for host in self.own_hosts))


@dataclass(frozen=True, slots=True)
class AddressLimit:
    """How many calls a second a gateway takes from one address, of which so many at once, and how many addresses it remembers."""

    calls: int
    burst: int
    kept: int
