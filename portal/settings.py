"""Every setting, read once: from NAME, from the file that NAME_FILE names, or from the embedded stack that `manage.py up` runs.

docs/settings.md lists them; tests/portal/test_docs.py holds the two together.
"""

import ipaddress
import json
import os
import secrets
import sys
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from csp.constants import NONCE
from django.core.exceptions import ImproperlyConfigured

from keys.keks.named import InAwsKms, InFiles, InToken, InVault, Named, Wrong, chosen
from tenants.secret_files import read_or_make

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = Path(os.environ.get("PORTICO_VAR") or BASE_DIR / "var")


def _embedded() -> dict[str, str]:
    """What a running embedded stack says of itself; empty when none has run here."""
    try:
        found: dict[str, str] = json.loads((VAR / "run" / "environment.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


EMBEDDED = _embedded()


def env(name: str, default: str = "") -> str:
    """The value of NAME, of the file NAME_FILE, of the embedded stack, or the default; in that order."""
    if name in os.environ:
        return os.environ[name]
    if f"{name}_FILE" in os.environ:
        return named_file(f"{name}_FILE")
    return EMBEDDED.get(name, default)


def named_file(name: str) -> str:
    """What the file holds whose path NAME is."""
    try:
        return Path(os.environ[name]).read_text().strip()
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"{name} names {os.environ[name]}, which can't be read ({error}).") from error


def secret(name: str, file: str) -> str:
    """A secret from the environment, or one made on first use under var/secrets (0600).

    Never made where the operator named a file: with another secret than yesterday's Portico would run, and know nobody.
    """
    if found := os.environ.get(name):
        return found
    if f"{name}_FILE" not in os.environ:
        return read_or_make(VAR / "secrets" / file, lambda: secrets.token_urlsafe(48))
    if found := named_file(f"{name}_FILE"):
        return found
    raise ImproperlyConfigured(f"{name}_FILE names {os.environ[f'{name}_FILE']}, which is empty. Put the secret into it.")


def renewed_file(name: str) -> Path | None:
    """The file that holds a secret which somebody else renews, and which is therefore read for each use."""
    path = os.environ.get(f"{name}_FILE")
    return Path(path) if path and name not in os.environ else None


def key_encryption_keys(provider: str, *named: Named) -> list[Named]:
    """The keepers whose keys are named, the one that wraps first."""
    try:
        return chosen(provider, named)
    except Wrong as error:
        raise ImproperlyConfigured(str(error)) from None


def networks(name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Networks as CIDR, separated by spaces."""
    try:
        return [ipaddress.ip_network(text) for text in env(name).split()]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} lists networks such as 10.0.0.0/8 or 192.0.2.7, but {error}.") from error


# A PostgreSQL whose machine is gone without a word is noticed within half a minute; `?` in its address says otherwise.
PATIENCE = {
    "connect_timeout": "5",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


def database(url: str) -> dict[str, Any]:
    """A postgresql:// URL as Django's dictionary; `host` in the query names a unix socket's directory."""
    parts = urlsplit(url)
    options = PATIENCE | dict(parse_qsl(parts.query))
    return {
        "ENGINE": "tenants.patient",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", "") or parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
        "ATOMIC_REQUESTS": True,
        # A connection lives as long as its thread: a new one costs more than most requests.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }


def mail_server(url: str) -> dict[str, Any]:
    """smtp://user:password@host:587 (with STARTTLS; `?tls=0` without) or smtps://host:465, as Django's settings. No error repeats it."""
    wrong = "PORTICO_SMTP_URL is an address such as smtp://user:password@mail.example.com:587 or smtps://mail.example.com:465, but "
    escape = " Write /, ?, # and @ in a password as %2F, %3F, %23 and %40."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # Its words may hold the password.
        raise ImproperlyConfigured(f"{wrong}this one's host or port can't be read.{escape}") from None
    if parts.scheme not in {"smtp", "smtps"}:
        raise ImproperlyConfigured(f"{wrong}this one doesn't begin with smtp:// or smtps://.")
    if not parts.hostname:
        raise ImproperlyConfigured(f"{wrong}this one names no host.")
    if parts.path not in {"", "/"} or parts.fragment:
        raise ImproperlyConfigured(f"{wrong}this one goes on after the port.{escape}")
    if (parts.username is None) != (parts.password is None):
        raise ImproperlyConfigured(f"{wrong}this one has a user without a password.")
    if parts.query not in {"", "tls=0", "tls=1"} or (parts.scheme == "smtps" and parts.query == "tls=0"):
        raise ImproperlyConfigured(f"{wrong}this one asks for something else than ?tls=0, which smtp:// alone knows.")
    implicit = parts.scheme == "smtps"
    return {
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": port or (465 if implicit else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": implicit,
        "EMAIL_USE_TLS": not implicit and parts.query != "tls=0",
    }


def sender(found: str) -> str:
    """An address that mails come from, with or without a name."""
    local, _, host = parseaddr(found)[1].rpartition("@")
    if not local or not host or not found.isprintable():
        raise ImproperlyConfigured(f"PORTICO_MAIL_FROM is an address such as Portico <portico@example.com>, not {found!r}.")
    return found


# Where Portico is reached, and by what names.
PORTAL_PORT = int(env("PORTICO_PORT", "8000"))
GATEWAY_PORT = int(env("PORTICO_GATEWAY_PORT", "8080"))
PORTAL_URL = env("PORTICO_URL", f"http://127.0.0.1:{PORTAL_PORT}").rstrip("/")
GATEWAY_URL = env("PORTICO_GATEWAY_URL", f"http://127.0.0.1:{GATEWAY_PORT}").rstrip("/")
# Host names that calls may carry at the gateway; never "*".
GATEWAY_HOSTS = sorted({*env("PORTICO_GATEWAY_HOSTS", "127.0.0.1 localhost").split(), urlsplit(GATEWAY_URL).hostname or ""})
RUN = Path(env("PORTICO_RUN", str(VAR / "run")))
# Where the demo's upstream answers.
UPSTREAM_URL = env("PORTICO_UPSTREAM_URL", f"http://127.0.0.1:{env('PORTICO_UPSTREAM_PORT', '8090')}")
PROVIDER_URL = env("PORTICO_PROVIDER_URL", f"http://127.0.0.1:{env('PORTICO_PROVIDER_PORT', '8091')}")
# The interface that gateways listen on.
GATEWAY_ADDRESS = env("PORTICO_GATEWAY_ADDRESS", "127.0.0.1")
# The port on which gateways speak TLS, 0 = not at all, and the one that callers see; a certificate and its key, as paths at the gateway.
GATEWAY_TLS_PORT = int(env("PORTICO_GATEWAY_TLS_PORT", "0"))
GATEWAY_TLS_PUBLIC_PORT = int(env("PORTICO_GATEWAY_TLS_PUBLIC_PORT", str(GATEWAY_TLS_PORT or 443)))
GATEWAY_CERT_FILE = env("PORTICO_GATEWAY_CERT_FILE")
GATEWAY_KEY_FILE = env("PORTICO_GATEWAY_KEY_FILE")
# grpc addresses of the two gateway services, as gateways know them: unix:/path or host:port, several separated by spaces.
CONTROL_ADDRESS = env("PORTICO_CONTROL", f"unix:{RUN / 'control.sock'}")
USAGE_ADDRESS = env("PORTICO_USAGE", f"unix:{RUN / 'usage.sock'}")
# Where this process listens, when gateways know several addresses of the kind.
CONTROL_LISTEN = env("PORTICO_CONTROL_LISTEN") or CONTROL_ADDRESS
USAGE_LISTEN = env("PORTICO_USAGE_LISTEN") or USAGE_ADDRESS
# The service that speaks MCP: where gateways find it, where it listens, and where it finds a gateway, that is where tools are called.
MCP_ADDRESS = env("PORTICO_MCP", f"unix:{RUN / 'mcp.sock'}")
MCP_LISTEN = env("PORTICO_MCP_LISTEN") or MCP_ADDRESS
MCP_GATEWAY = env("PORTICO_MCP_GATEWAY", f"http://127.0.0.1:{GATEWAY_PORT}").rstrip("/")
# TLS of both, in PEM files that may be renewed at any time; with a client CA gateways have to show a certificate of their name.
CONTROL_CERT_FILE = env("PORTICO_CONTROL_CERT_FILE")
CONTROL_KEY_FILE = env("PORTICO_CONTROL_KEY_FILE")
CONTROL_CLIENT_CA_FILE = env("PORTICO_CONTROL_CLIENT_CA_FILE")
# Without TLS they listen on this machine alone, unless the operator says that nobody else is on that network.
CONTROL_PLAINTEXT = env("PORTICO_CONTROL_PLAINTEXT", "0") == "1"
# Where this process tells Prometheus of itself, host:port; "" = nowhere. Each process needs its own.
METRICS_ADDRESS = env("PORTICO_METRICS")
# Where traces go over OTLP (http), as http://collector:4318; "" = none are made.
OTLP_ENDPOINT = env("PORTICO_OTLP_ENDPOINT").rstrip("/")
# line = for people, json = one object a line.
LOG_FORMAT = env("PORTICO_LOG_FORMAT", "line")
if LOG_FORMAT not in {"line", "json"}:
    raise ImproperlyConfigured(f"PORTICO_LOG_FORMAT is line or json, not {LOG_FORMAT!r}.")
# The authorities that gateways trust for https upstreams; "" = the system's.
GATEWAY_CA_FILE = env("PORTICO_GATEWAY_CA_FILE")
# How many callers may be connected to a gateway at once, and from 95 % of how much memory on it refuses calls; 0 = no limit.
GATEWAY_CONNECTIONS = int(env("PORTICO_GATEWAY_CONNECTIONS", "10000"))
GATEWAY_HEAP_MB = int(env("PORTICO_GATEWAY_HEAP_MB", "0"))
# Control compares each loaded tenant's rows with what gateways have, and calls its canaries, once in so long.
RECONCILE_SECONDS = float(env("PORTICO_RECONCILE_SECONDS", "15"))
# A gateway that was lost for longer does not hold up a rotation of signing keys any more.
GATEWAY_MAX_STALE = timedelta(hours=int(env("PORTICO_GATEWAY_MAX_STALE_HOURS", "24")))
# How long a gateway that drains goes on listening once load balancers can see it, and then lets connections end (its --drain-time-s).
GATEWAY_DRAIN_GRACE = float(env("PORTICO_GATEWAY_DRAIN_GRACE", "15"))
GATEWAY_DRAIN_TIME = int(env("PORTICO_GATEWAY_DRAIN_TIME", "30"))
# How long a gateway's credential goes on beside the one that it was rolled to.
NODE_OVERLAP = timedelta(minutes=float(env("PORTICO_NODE_OVERLAP_MINUTES", "10")))
# How many calls a second one address may make at one gateway, before anything else is asked of them, how many of these at once, and how
# many addresses a gateway remembers; 0 calls = no limit.
ADDRESS_CALLS_PER_SECOND = int(env("PORTICO_ADDRESS_CALLS_PER_SECOND", "1000"))
ADDRESS_BURST = int(env("PORTICO_ADDRESS_BURST", "5000"))
ADDRESSES_KEPT = int(env("PORTICO_ADDRESSES_KEPT", "20000"))
# How many calls a second pass of all of a tenant's APIs together, where no operator says otherwise of it; 0 = no limit.
TENANT_CALLS_PER_SECOND = int(env("PORTICO_TENANT_CALLS_PER_SECOND", "0"))
# Networks in which upstreams may lie although they are private: the operator's word. The embedded stack allows loopback.
UPSTREAM_NETWORKS = env("PORTICO_UPSTREAM_NETWORKS").split()
# Token requests per minute that one client may make from one address, counted in each web process.
TOKEN_RATE = int(env("PORTICO_TOKEN_RATE", "600"))
# Changes per minute that one person may send to one tenant, over REST and by pages together.
WRITE_RATE = int(env("PORTICO_WRITE_RATE", "120"))
# For how many days a tenant may at most keep counts of calls: those of minutes, and those of hours and days.
USAGE_MINUTES_MOST_DAYS = int(env("PORTICO_USAGE_MINUTES_MOST_DAYS", "90"))
USAGE_MOST_DAYS = int(env("PORTICO_USAGE_MOST_DAYS", "800"))
# Where the usage process writes logs of APIs that ask for files; without one there is no such destination.
LOG_SHIPPING_FOLDER = env("PORTICO_LOG_SHIPPING_FOLDER")
# How long a tenant that is closing can be reopened; then it is erased.
TENANT_CLOSING = timedelta(days=float(env("PORTICO_TENANT_CLOSING_DAYS", "30")))
# Proxies that are believed when they say for whom they ask (X-Forwarded-For).
TRUSTED_PROXIES = networks("PORTICO_TRUSTED_PROXIES")

SECRET_KEY = secret("PORTICO_SECRET_KEY", "django")
SESSION_SIGNING_KEY = secret("PORTICO_SESSION_KEY", "session")
PEPPER = secret("PORTICO_PEPPER", "pepper")
# What the service that speaks MCP knows gateways by.
MCP_SECRET = secret("PORTICO_MCP_SECRET", "mcp")
# PORTICO_KEK_PROVIDER says whose first key wraps; whatever else is named here opens what it sealed before.
KEK_PROVIDER = env("PORTICO_KEK_PROVIDER", "file")
# Made on first use, but only where nobody named a file: see `secret`.
KEK_FILE_IS_OURS = KEK_PROVIDER == "file" and not env("PORTICO_KEK_FILE")
KEK_FILE = Path(env("PORTICO_KEK_FILE") or VAR / "secrets" / "kek")
if env("PORTICO_KEK_FILE") and not KEK_FILE.is_file():
    raise ImproperlyConfigured(f"PORTICO_KEK_FILE names {KEK_FILE}, where there is no file. Put the key-encryption key there.")
KEKS = key_encryption_keys(
    KEK_PROVIDER,
    InFiles(
        keys=(*([KEK_FILE] if KEK_FILE_IS_OURS or KEK_FILE.is_file() else []), *map(Path, env("PORTICO_KEK_FILE_OLD").split())),
        ours=KEK_FILE_IS_OURS,
    ),
    InVault(
        keys=(*env("PORTICO_KEK_VAULT_KEY").split(), *env("PORTICO_KEK_VAULT_OLD").split()),
        url=env("PORTICO_KEK_VAULT_URL"),
        mount=env("PORTICO_KEK_VAULT_MOUNT", "transit"),
        token=env("PORTICO_KEK_VAULT_TOKEN"),
        token_file=renewed_file("PORTICO_KEK_VAULT_TOKEN"),
    ),
    InAwsKms(keys=(*env("PORTICO_KEK_AWS_KEY").split(), *env("PORTICO_KEK_AWS_OLD").split())),
    InToken(
        keys=(*env("PORTICO_KEK_PKCS11_KEY").split(), *env("PORTICO_KEK_PKCS11_OLD").split()),
        library=env("PORTICO_KEK_PKCS11_MODULE"),
        token=env("PORTICO_KEK_PKCS11_TOKEN"),
        pin=env("PORTICO_KEK_PKCS11_PIN"),
    ),
)
DEBUG = env("PORTICO_DEBUG") == "1"
DEFAULT_EXCEPTION_REPORTER_FILTER = "portal.errors.Discreet"
ALLOWED_HOSTS = [urlsplit(PORTAL_URL).hostname or "", *env("PORTICO_HOSTS", "127.0.0.1 localhost").split()]

# `migrate` alone works as the owner of the tables; everything else as the role that row security binds.
DATABASE_URL = env("DATABASE_URL", "postgresql://portico_app@/portico")
DATABASE_OWNER_URL = env("DATABASE_OWNER_URL", DATABASE_URL)
DATABASE_DIRECT_URL = env("DATABASE_DIRECT_URL", DATABASE_URL)
DATABASES = {"default": database(DATABASE_OWNER_URL if sys.argv[1:2] == ["migrate"] else DATABASE_URL)}
# So many seconds a process that serves waits for PostgreSQL to answer a statement; 0 is without end.
DATABASE_SECONDS = float(env("PORTICO_DATABASE_SECONDS", "15"))
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    # Without the site that Django makes by itself: see portal/shared_tables.py.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django.forms",
    "django_htmx",
    "heroicons",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "portal.apps.Browsers",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "tenants",
    "keys",
    "apis",
    "gateway",
    "portal",
]
MIDDLEWARE = [
    "portal.measures.MeasuringMiddleware",
    "tenants.middleware.OriginMiddleware",
    "portal.middleware.ProgramsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.middleware.LegibleMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "portal.middleware.WhoMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.middleware.PersonMiddleware",
    "portal.middleware.BrowsersMiddleware",
    "portal.errors.ErrorMiddleware",
    "tenants.middleware.TenantMiddleware",
]
CSRF_FAILURE_VIEW = "portal.errors.csrf_failure"
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
AUTH_USER_MODEL = "tenants.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "tenants.passwords.LongEnough", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "tenants.passwords.UnlikeThePerson", "OPTIONS": {"user_attributes": ("name", "email")}},
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.shell.shell",
            ]
        },
    }
]
FORM_RENDERER = "portal.forms.Renderer"
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]

# Signing in, by allauth. Tries are counted by Portico, in PostgreSQL: see portal/accounts.py.
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "portal.accounts.Adapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 3
# Links to a new password.
PASSWORD_RESET_TIMEOUT = 3600
ACCOUNT_RATE_LIMITS = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = True
# Codes, too, are counted by Portico: see tenants/second_factors.py.
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900
MFA_ADAPTER = "portal.second_factors.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODE_COUNT = 10
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_RATE_LIMITS = False
# Signing in by a tenant's identity provider: see portal/provided.py. allauth's tables of it stay empty.
SOCIALACCOUNT_ADAPTER = "portal.provided.Adapter"
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
# Pages name static files with a digest of what they hold.
WHITENOISE_MAX_AGE = 86_400
APPEND_SLASH = False

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": [NONCE],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
SECURE_SSL = PORTAL_URL.startswith("https:")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL
SESSION_COOKIE_HTTPONLY = True
if SECURE_SSL:
    # Bound to this host and to https by their names (RFC 6265bis §4.1.3).
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_SSL else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_SSL
# The proxy that ends TLS leads http to https; being on browsers' preload lists is for the domain's owner to decide.
SILENCED_SYSTEM_CHECKS = ["security.W008", "security.W021"]
if SECURE_SSL:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# A body larger than the largest OpenAPI document is refused before it is read.
DATA_UPLOAD_MAX_MEMORY_SIZE = 3 * 1024 * 1024
# Files count apart, and anybody can send one: no more than one at a time, and none to the disk.
DATA_UPLOAD_MAX_NUMBER_FILES = 1
FILE_UPLOAD_HANDLERS = ["portal.uploads.BoundedUpload"]

REST_FRAMEWORK = {
    # The first looks at how the token begins, and leaves all others to the second.
    "DEFAULT_AUTHENTICATION_CLASSES": ["keys.service_keys.ServiceKeys", "rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.access.Allowed"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["tenants.parser.Json"],
    "DEFAULT_METADATA_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "portal.errors.rest_exception",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=5),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    # Signed, rotated and ended by tenants/sessions.py.
    "AUTH_TOKEN_CLASSES": ("tenants.sessions.Access",),
    "SIGNING_KEY": SESSION_SIGNING_KEY,
    "ISSUER": PORTAL_URL,
    "AUDIENCE": f"{PORTAL_URL}/api/v1",
    "TOKEN_TYPE_CLAIM": "portico_session",  # nosec B105  (the name of a claim)
    "USER_ID_CLAIM": "sub",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Portico",
    "DESCRIPTION": "Publish APIs, register applications, decide subscriptions, and read the receipt of every decision.",
    "VERSION": "v1",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "ApiKind": "apis.models.Api.Kind",
        "ApiVisibility": "apis.models.Api.Visibility",
        "PlanVisibility": "apis.models.Plan.Visibility",
        "QuestionKind": "apis.models.request_form.Kind",
        "ApplicationStatus": "keys.models.Application.Status",
        "BrownOutStatus": "apis.models.BrownOut.Status",
        "ChangeKind": "apis.serializers_catalogue.KINDS",
        "ChangeLevel": "apis.serializers.LEVELS",
        "ChangeRequestKind": "apis.models.ChangeRequest.Kind",
        "CredentialStatus": "keys.models.Credential.Status",
        "DeliveryState": "keys.models.WebhookDelivery.State",
        "JoiningRole": "tenants.serializers.JOINING",
        "KindEnum": "keys.models.Credential.Kind",
        "LevelEnum": "keys.revocable.Level",
        "PlanStatus": "apis.models.Plan.Status",
        "ProviderFormat": "apis.ai.catalogue.FORMATS",
        "ProviderKeyState": "apis.models.ProviderKey.State",
        "QuotaPeriod": "apis.models.Plan.Period",
        "ReviewStatus": "apis.models.Review.Status",
        "ServiceAccountStatus": "tenants.models.ServiceAccount.Status",
        "SigningKeyStatus": "keys.models.SigningKey.Status",
        "SubscriptionStatus": "apis.models.Subscription.Status",
        "TenantStatus": "tenants.models.Tenant.Status",
        "PromptRole": "apis.ai.checking.ROLES",
        "UsageAlertKind": "gateway.models.UsageAlert.Kind",
        "VariableKind": "apis.ai.checking.KINDS",
        "VersionStatus": "apis.models.ApiVersion.Status",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "portal.schema.refusals",
        "portal.schema.conditions",
        "portal.schema.summaries",
        "portal.schema.members",
        "portal.schema.headers",
    ],
}

# Without a mail server every mail is a file in MAIL_FOLDER.
EMAIL_BACKEND = "portal.outbox.EmailBackend"
MAIL_FOLDER = VAR / "mail"
if _smtp := env("PORTICO_SMTP_URL"):
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    globals().update(mail_server(_smtp))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = sender(env("PORTICO_MAIL_FROM") or f"Portico <portico@{urlsplit(PORTAL_URL).hostname}>")

# redis://host:port/db, rediss://… or unix:///path/to/socket; Celery has its own word for the last.
VALKEY_URL = env("VALKEY_URL", "redis://127.0.0.1:6379/0")
CELERY_BROKER_URL = VALKEY_URL.replace("unix://", "redis+socket://", 1)
# A Valkey that hangs, or forgot who is connected, is given up: beat would wait for it for ever, and nothing would have its time again.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 10.0,
    "socket_connect_timeout": 5.0,
    "socket_keepalive": True,
    "health_check_interval": 5,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    # A key that waits for a gateway is asked about every few seconds; whoever has nothing due costs nothing.
    "advance-signing-keys": {"task": "gateway.tasks.advance_signing_keys", "schedule": 5.0, "options": {"expires": 10.0}},
    "expire-credentials": {"task": "keys.tasks.expire_credentials", "schedule": 30.0},
    "expire-service-accounts": {"task": "keys.tasks.expire_service_accounts", "schedule": 30.0},
    "warn-expiries": {"task": "keys.tasks.warn_expiries", "schedule": 60.0},
    "warn-certificates": {"task": "apis.tasks.warn_certificates", "schedule": 60.0},
    "resolve-upstreams": {"task": "apis.tasks.resolve_upstreams", "schedule": 30.0},
    # A run that waited longer has nothing to do that the next would not.
    "send-mails": {"task": "portal.tasks.send_mails", "schedule": 5.0, "options": {"expires": 10.0}},
    "send-account-mails": {"task": "portal.tasks.send_account_mails", "schedule": 5.0, "options": {"expires": 10.0}},
    "measure-tenants": {"task": "portal.tasks.measure_tenants", "schedule": 60.0},
    "expire-invitations": {"task": "portal.tasks.expire_invitations", "schedule": 60.0},
    "end-delegations": {"task": "portal.tasks.end_delegations", "schedule": 30.0},
    "prune": {"task": "gateway.tasks.prune", "schedule": 3600.0},
    "turn-brown-outs": {"task": "apis.tasks.turn_brown_outs", "schedule": 5.0, "options": {"expires": 10.0}},
    # Each second: what ends at noon is refused at noon.
    "turn-subscriptions": {"task": "apis.tasks.turn_subscriptions", "schedule": 1.0, "options": {"expires": 2.0}},
    "end-tests": {"task": "apis.tasks.end_tests", "schedule": 5.0, "options": {"expires": 10.0}},
    "escalate-requests": {"task": "apis.tasks.escalate_requests", "schedule": 30.0},
    "turn-budgets": {"task": "apis.tasks.turn_budgets", "schedule": 5.0, "options": {"expires": 10.0}},
    "turn-provider-keys": {"task": "apis.tasks.turn_provider_keys", "schedule": 5.0, "options": {"expires": 10.0}},
    "turn-quotas": {"task": "apis.tasks.turn_quotas", "schedule": 5.0, "options": {"expires": 10.0}},
    "prune-operation-uses": {"task": "apis.tasks.prune_operation_uses", "schedule": 3600.0},
    # Somebody looks at a progress bar meanwhile.
    "read-documents": {"task": "apis.tasks.read_documents", "schedule": 3.0, "options": {"expires": 6.0}},
    # Readers of a change log are told meanwhile that it is being compared.
    "compare-what-went-live": {"task": "apis.tasks.compare_what_went_live", "schedule": 5.0, "options": {"expires": 10.0}},
    # Whoever opens a new revision's page before waits for seconds.
    "compare-revisions": {"task": "apis.tasks.compare_revisions", "schedule": 3.0, "options": {"expires": 6.0}},
    "look-at-sources": {"task": "apis.tasks.look_at_sources", "schedule": 15.0, "options": {"expires": 30.0}},
    "expire-drafts": {"task": "apis.tasks.expire_drafts", "schedule": 3600.0},
    "prune-token-records": {"task": "keys.tasks.prune_token_records", "schedule": 300.0},
    # Each chain is due once a day, since it first was.
    "sign-heads": {"task": "keys.tasks.sign_heads", "schedule": 3600.0},
    # Whoever has just put the proof there waits for it.
    "check-domains": {"task": "gateway.tasks.check_domains", "schedule": 10.0, "options": {"expires": 20.0}},
    "warn-domains": {"task": "gateway.tasks.warn_domains", "schedule": 60.0},
    "turn-usage-days": {"task": "gateway.tasks.turn_usage_days", "schedule": 3600.0},
    "roll-up-usage": {"task": "gateway.tasks.roll_up_usage", "schedule": 30.0, "options": {"expires": 60.0}},
    "prune-usage": {"task": "gateway.tasks.prune_usage", "schedule": 300.0, "options": {"expires": 600.0}},
    "prune-contents": {"task": "gateway.tasks.prune_contents", "schedule": 60.0, "options": {"expires": 120.0}},
    "watch-usage": {"task": "gateway.tasks.watch_usage", "schedule": 15.0, "options": {"expires": 30.0}},
    "erase-tenants": {"task": "gateway.tasks.erase_tenants", "schedule": 3600.0},
    "prune-browsers": {"task": "portal.tasks.prune_browsers", "schedule": 3600.0},
    "send-digests": {"task": "portal.tasks.send_digests", "schedule": 60.0},
    "prune-notifications": {"task": "portal.tasks.prune_notifications", "schedule": 3600.0},
    "forget-answers": {"task": "portal.tasks.forget_answers", "schedule": 3600.0},
    "send-webhooks": {"task": "keys.tasks.send_webhooks", "schedule": 3.0, "options": {"expires": 6.0}},
    "prune-webhook-deliveries": {"task": "keys.tasks.prune_webhook_deliveries", "schedule": 3600.0},
    "prune-mails": {"task": "portal.tasks.prune_mails", "schedule": 3600.0},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"where": {"()": "portal.logs.Where"}},
    "formatters": {
        "line": {"()": "portal.logs.Line", "format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        "json": {"()": "portal.logs.Json", "members": "%(levelname)s %(name)s %(message)s %(request_id)s %(tenant)s %(process)d"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["where"]}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "botocore": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
    },
}
