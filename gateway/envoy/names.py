"""Names that more than one part of the configuration uses."""

# The chain's place among the listener's filters; a route configuration fills it.
GATE = "gate"
# What stands between the gate and the upstream, and lets through only what the chain's last step marked.
GUARD = "guard"
# What stands first of all, where there is a limit, and turns away who calls too often from one address.
ADDRESS_LIMITED = "address_limited"
# What stands before the gate and answers preflights; under the same name, the policy of each route that it reads.
CORS = "cors"
# What stands behind the guard and holds the body of a call back; off, but on routes that give it a limit.
BUFFER = "buffer"
# What stands behind that and makes answers smaller; off, but on routes that ask for it.
BROTLI, GZIP = "brotli", "gzip"
# What stands behind the guard, and what a route of an AI API fills: it reads the body, and finds the route again by what that asks for.
AI = "ai"
# What stands behind that, once per tenant: a bucket of tokens for each caller, from which a call takes what it asks for.
TOKENS = "tokens"
# Filter state.
PASSED = "portico.passed"
CALLER = "portico.caller"
# The scopes that its route needs: credentials.requirement; "-" where it needs none.
NEEDED = "portico.needed"
# The API that its route belongs to.
CALLED_API = "portico.api"
CREDENTIAL = "portico.cid"
TOKEN_ID = "portico.jti"  # nosec B105  (a name)
# The type of the API key that was verified; "-" for an access token.
KEY_TYPE = "portico.key"
# The path as the caller sent it, for the access log: the router rewrites it.
CALLED = "portico.path"
# At a tenant's own host, whose it is and its name; the path has no slug there. "<slug> -" elsewhere.
DOOR = "portico.door"
# What the call proved itself with, as it came; kept for routes to the service that speaks MCP.
HANDED = "portico.handed"
# The model that an AI API was asked for, and the plan under which; only the chain of its route writes them.
MODEL = "portico.ai.model"
AI_PLAN = "portico.ai.plan"
# The call's id, for what answers in a provider's place.
AI_REQUEST = "portico.ai.request"
# Metadata of a call of an AI API: what its body says, as json_to_metadata read it; and of its answer, what it used.
ASKED = "portico.ai"
USED = "portico.tokens"
# And what its log of contents is to know of it, where its API keeps that. What it asked and was answered stands in filter states of such
# names, in base64, in pieces.
CONTENT = "portico.content"
KEPT, KEPT_YES = "kept", "yes"
CONTENT_PIECES = 22
CONTENT_REQUEST, CONTENT_ANSWERS = f"{CONTENT}.request", tuple(f"{CONTENT}.answer{number}" for number in range(1, CONTENT_PIECES + 1))
# And of a call how many tokens it takes from its caller's bucket, in a step of this name.
RESERVED, TOKENS_LIMITED = "reserved", "tokens_limited"
# Route metadata, and what it says.
PORTICO = "portico"
API = "api"
SCOPES = "scopes"
# Metadata of the virtual host: the digest of the whole but for itself.
CONFIGURATION = "configuration"
MAX_BODY = "max_body_kib"
# Of MCP: where a client finds out whom to ask for a token.
RESOURCE = "resource_metadata"
# What stands for an API where the tools of all are listed. No slug has a dot.
MCP_API = ".mcp"
# Of routes of AI APIs: "yes"; and, of those that calls find first and lead nowhere, which models there are, for whoever asks for another.
OF_AI = "ai"
MODELS = "models"
# Metadata of a model's route, by the name of the script that reads it.
REWRITE = "rewrite"
# What verifies access tokens, and what API keys. The claims of whichever was verified stand at one place, its header at one of its own:
# that says which keys it was verified with.
JWT = "envoy.filters.http.jwt_authn"
TOKEN = "token"  # nosec B105  (a name)
KEY = "key"
CLAIMS = "claims"
TOKEN_HEADER = "token_h"  # nosec B105  (a name)
KEY_HEADER = "key_h"
RBAC = "envoy.filters.http.rbac"
# RBAC writes the subscription that let a call pass, and its plan, under these prefixes.
GRANT_PREFIX = "grant_"
PLAN_PREFIX = "plan_"
# And until when a caller over the quota is refused.
UNTIL_PREFIX = "until_"
# And, looked up beside the plan's name, what its callers are told of their limit.
TOLD_PREFIX = "told_"
POLICY = f"{TOLD_PREFIX}shadow_effective_policy_id"

# Identity headers: taken off each call, then set from what was verified.
TENANT_HEADER = "x-portico-tenant"
APPLICATION_HEADER = "x-portico-application"
SUBSCRIPTION_HEADER = "x-portico-subscription"
PLAN_HEADER = "x-portico-plan"
# At a tenant's own host, the name that the handshake asked for: put there by the listener, and taken off behind the chain.
DOOR_HEADER = "x-portico-door"
# Claims that only the API can read: a JWE (RFC 7516) for its key.
CLAIMS_HEADER = "x-portico-claims"
# What the caller brought, for the service that speaks MCP alone; and what that knows a gateway by.
HANDED_HEADER = "x-portico-credential"
MCP_SECRET_HEADER = "x-portico-gateway"  # nosec B105  (a name)
IDENTITY_HEADERS = (APPLICATION_HEADER, CLAIMS_HEADER, HANDED_HEADER, MCP_SECRET_HEADER, PLAN_HEADER, SUBSCRIPTION_HEADER, TENANT_HEADER)
# What Envoy says of calls that it repeats: taken off each call, too, for it takes off the others itself.
ATTEMPT_HEADERS = ("x-envoy-attempt-count", "x-envoy-is-timeout-retry")
REFUSAL_HEADER = "x-portico-refusal"
# On what the gateway answers a canary: the digest of the routes that it really serves.
CONFIGURATION_HEADER = "x-portico-configuration"
# "true" on what the gateway answers from examples, in place of an upstream.
MOCK_HEADER = "x-portico-mock"
# How much of their limit callers have left (draft-ietf-httpapi-ratelimit-headers-10).
RATE_HEADER, POLICY_HEADER = "ratelimit", "ratelimit-policy"
# From the step whose bucket was empty to the one that tells of it; no caller sees it.
EMPTY_HEADER = "x-portico-empty"
RATE_HEADERS = (RATE_HEADER, POLICY_HEADER, "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
# Taken off whatever an upstream answers: only the gateway itself speaks in these.
RESPONSE_HEADERS = (*IDENTITY_HEADERS, CONFIGURATION_HEADER, MOCK_HEADER, REFUSAL_HEADER, EMPTY_HEADER, *RATE_HEADERS)

# An operation's route bears its operationId behind this, so that no document can write one of the names below.
OPERATION_PREFIX = "op/"
# The same in place of it, while a version answers no calls.
BLOCKED_PREFIX = "blocked/"
BROWN_OUT_PREFIX = "brown_out/"
# And of an AI API, at a gateway whose Envoy can't serve one.
TOO_OLD_PREFIX = "too_old/"
# And of a revision that is open for tests: its calls are nobody's use of the API.
TEST_PREFIX = "test/"
# Routes to the service that speaks MCP, at a host of the tenant's own the second.
MCP_PREFIX, OWN_MCP_PREFIX = "mcp/", "own-mcp/"
# Route names that the refusals are told apart by.
WRONG_METHOD = "wrong_method"
NO_ROUTE = "no_route"
CLOSED = "closed"
SUSPENDED = "suspended"
RETIRED = "retired"
CANARY = "canary"
OTHER_HOST = "other_host"
READY = "ready"
DRAINING = "draining"
CANARY_STATUS = 204

# Static in each gateway's bootstrap.
CONTROL_CLUSTER = "portico-control"
USAGE_CLUSTER = "portico-usage"
# What the logs are called: of calls, of attempts that failed, and of what was asked and answered.
CALLS_LOG, ATTEMPTS_LOG, CONTENTS_LOG = "calls", "attempts", "contents"
# No cluster has this name: a tenant's has a slash in it.
NOWHERE = "nowhere"
CA_SECRET = "portico-ca"  # nosec B105  (a name)
# What a gateway proves itself with under its own names.
DEFAULT_CERTIFICATE = "portico-gateway"
NODE_SECRET = "portico-node"  # nosec B105  (a name)
# Below this stands what a gateway says of itself. No tenant has the name: theirs have no dot.
OWN = ".portico"
READY_PATH = f"/{OWN}/ready"
# Metadata that the chain leaves for the access log: headers that an API's log has, of the call and of its answer.
LOGGED = "portico.logged"
LOGGED_REQUEST, LOGGED_RESPONSE = "request ", "response "


CANARY_PATH = "/.portico/canary"


def canary_path(slug: str) -> str:
    """The path that control calls without a token after a push, and now and then: it must be refused."""
    return f"/{slug}{CANARY_PATH}"
