"""How much one tenant may have: what one compiles and what gateways hold for it stays bounded. docs/limits.md lists them."""

# Operations of the live revisions of published versions, and of those that are open for tests: the routes.
LIVE_OPERATIONS = 10_000
# Of published APIs: what a token may bear.
SCOPES = 1_000
# Characters of the answers of revisions that are live, or open for tests, without an upstream, as they are stored: gateways keep each in
# memory.
MOCK_CHARACTERS = 4 * 1024 * 1024
# Revisions that are open for tests at once.
TESTS = 20
APIS = 500
VERSIONS_PER_API = 20
CATEGORIES = 30
# Of one person in one tenant.
APPLICATIONS_PER_PERSON = 100
# Active ones.
SERVICE_ACCOUNTS = 100
# Pending, active or suspended: the grants.
OPEN_SUBSCRIPTIONS_PER_APPLICATION = 100
OPEN_SUBSCRIPTIONS = 50_000
# Approval rules of a tenant.
APPROVAL_RULES = 50
# Requests that are decided in one go.
DECISIONS_AT_ONCE = 100
# Questions and answers about one request.
MESSAGES_PER_REQUEST = 100
# What an API asks of those who request a subscription.
QUESTIONS_PER_API = 10
# APIs that are asked for at once.
REQUESTS_AT_ONCE = 20
WEBHOOKS = 20
USAGE_ALERTS = 50
# Deliveries of one webhook that wait; of further events it is told once there is room.
WAITING_DELIVERIES = 1_000
# Of AI models; and what each may have.
PROVIDERS = 50
KEYS_PER_PROVIDER = 20
MODELS_PER_PROVIDER = 200
# Of models, for callers.
ALIASES = 100
# Of the gateway, with a certificate each.
DOMAINS = 20
