"""What must hold of every model, table, role and URL. Each check has an id, and a hint that is the cure."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution
from django.db import connection
from django.db.models import ForeignKey
from django.urls import URLPattern, URLResolver, get_resolver

from tenants.access import OPEN_VIEWS
from tenants.models import Membership, TenantModel

# What signs sessions over REST by HS256 has at least the length of its digest (RFC 7518 §3.2).
SESSION_KEY_BYTES = 32
OURS = {"tenants", "keys", "apis", "gateway", "portal"}
SHARED = {
    "tenants.Tenant": "the tenant itself",
    "tenants.User": "a person may be in many tenants",
    "tenants.AccountMail": "mails about people's accounts, which are nobody's in particular",
    "tenants.ErasedTenant": "slugs are never given again",
    "tenants.JobRun": "how jobs went, of every tenant together",
    "tenants.TenantSize": "numbers only, for operators",
    "tenants.PlatformSettings": "what holds for the whole portal",
    "tenants.Due": "jobs find what is due without seeing into a tenant",
    "tenants.Attempt": "sign-ins are counted before a tenant is known",
    "tenants.PlatformEvent": "what happens outside any tenant",
    "tenants.PlatformCounter": "the head of the platform's chain",
    "tenants.HostName": "a handshake names a host before any tenant is known",
    "keys.AuditKey": "the platform's own, for every tenant's chain",
    "keys.PlatformHead": "of the platform's chain",
    "gateway.GatewayNode": "a gateway serves many tenants",
    "gateway.NodeCredential": "a gateway's own",
    "gateway.JoinToken": "what a machine becomes a gateway with",
    "gateway.ControlProcess": "a control process serves every tenant",
    "gateway.GatewayGroup": "a group of gateways serves many tenants",
    "gateway.GroupedNode": "ids only: which gateway is in which group",
    "gateway.GroupTenant": "ids only: which tenant may use which group",
    "gateway.GroupUse": "ids only: which tenant has APIs in which group",
    "gateway.Loaded": "ids only: which gateway has asked for which tenant",
    "gateway.Nack": "numbers only: how often a gateway refused what of which tenant",
    "gateway.Drift": "names of tables and numbers only: what a gateway had that no event explains",
    "gateway.Receipt": "numbers only: what a gateway acknowledged",
    "gateway.ShippingTenant": "ids only: which tenants have their calls told, for usage processes to look into no other",
    "gateway.UsageFreshness": "numbers only: how far a usage process has written",
}


@register(Tags.models)
def every_model_has_a_tenant(**_: Any) -> Iterator[CheckMessage]:
    for model in apps.get_models():
        ours = model._meta.app_label in OURS  # noqa: SLF001
        if ours and not issubclass(model, TenantModel) and model._meta.label not in SHARED:  # noqa: SLF001
            yield Error(
                f"{model._meta.label} has no tenant.",  # noqa: SLF001
                hint="Subclass TenantModel, or say in tenants/checks.py SHARED why it is everyone's.",
                id="tenants.E001",
            )


def tenant_models() -> list[type[TenantModel]]:
    return [model for model in apps.get_models() if issubclass(model, TenantModel)]


# E002 and E003 ask the database, so they run with `check --deploy` and at the start of each process that serves:
# as ordinary checks they would stop makemigrations on an empty database.
@register(Tags.database, deploy=True)
def every_tenant_table_is_guarded(**_: Any) -> Iterator[CheckMessage]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT c.relname FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid
               WHERE c.relrowsecurity AND c.relforcerowsecurity GROUP BY c.relname
               HAVING count(*) FILTER (WHERE p.polname = 'tenant_only' AND p.polcmd = '*' AND p.polpermissive
                   AND pg_get_expr(p.polqual, c.oid) LIKE '(tenant_id = %%portico.tenant_id%%'
                   AND pg_get_expr(p.polwithcheck, c.oid) = pg_get_expr(p.polqual, c.oid)) = 1
               -- Permissive policies add up: any other opens what the first one closes. A person's own memberships are the exception.
               AND count(*) FILTER (WHERE p.polname <> 'tenant_only' AND p.polpermissive AND NOT (
                   c.relname = %s AND p.polname = 'mine' AND p.polcmd = 'r'
                   AND pg_get_expr(p.polqual, c.oid) LIKE '(user_id = %%portico.user_id%%')) = 0""",
            [Membership._meta.db_table],  # noqa: SLF001
        )
        guarded = {name for (name,) in cursor.fetchall()}
        cursor.execute("SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'")
        references = set(cursor.fetchall())
        # A partition can be read by its own name, whatever the policy of the whole is.
        cursor.execute("SELECT inhparent::regclass::text, inhrelid::regclass::text FROM pg_inherits ORDER BY 1, 2")
        partitions = [(whole, part) for whole, part in cursor.fetchall() if part not in guarded]
    for model in tenant_models():
        table = model._meta.db_table  # noqa: SLF001
        if table not in guarded:
            yield Error(f"{table} has no forced row security.", hint="Add enable_rls() to its migration.", id="tenants.E002")
        for whole, part in partitions:
            if whole == table:
                hint = f"Make it as the partitions of {whole} are made, with the whole's policy."
                yield Error(f"{part} has no forced row security.", hint=hint, id="tenants.E002")
        for field in model._meta.get_fields():  # noqa: SLF001
            parent = field.related_model if isinstance(field, ForeignKey) else None
            if not (isinstance(parent, type) and issubclass(parent, TenantModel)) or not isinstance(field, ForeignKey):
                continue
            wanted = f"FOREIGN KEY (tenant_id, {field.column}) REFERENCES {parent._meta.db_table}(tenant_id, id)"  # noqa: SLF001
            if not any(where == table and what.startswith(wanted) for where, what in references):
                yield Error(
                    f"{table}.{field.column} may point into another tenant.",
                    hint="Add same_tenant() to its migration.",
                    id="tenants.E002",
                )


@register(Tags.database, deploy=True)
def the_role_is_bound_by_row_security(**_: Any) -> Iterator[CheckMessage]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        unbound = cursor.fetchone()[0]
        cursor.execute("SELECT count(*) FROM pg_tables WHERE tableowner = current_user AND tablename LIKE 'tenants\\_%%'")
        owner = cursor.fetchone()[0] > 0
    if unbound or owner:
        why = "walks past row security" if unbound else "owns the tables"
        yield Error(
            f"The database role of {settings.DATABASES['default']['USER']} {why}.",
            hint="Let DATABASE_URL name portico_app; only migrate works as portico_owner (DATABASE_OWNER_URL).",
            id="tenants.E003",
        )


def patterns(found: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for pattern in found:
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern.url_patterns)
        else:
            yield pattern


@register(Tags.urls)
def every_view_says_who_may_enter(**_: Any) -> Iterator[CheckMessage]:
    for pattern in patterns(get_resolver().url_patterns):
        # A REST view's class, a Django view's class, or the function itself.
        view: Any = getattr(pattern.callback, "cls", None) or getattr(pattern.callback, "view_class", pattern.callback)
        name = f"{view.__module__}.{view.__qualname__}"
        if not getattr(view, "access", None) and name not in OPEN_VIEWS:
            yield Error(
                f"{name} does not say who may enter.",
                hint="Put @tenant_view or @open_to_all on it, `access` on a REST view, or a reason into OPEN_VIEWS.",
                id="tenants.E004",
            )


@register(Tags.security, deploy=True)
def sessions_are_signed_with_a_long_key(**_: Any) -> Iterator[CheckMessage]:
    if len(settings.SESSION_SIGNING_KEY.encode()) < SESSION_KEY_BYTES:
        yield Caution(
            "The key that signs sessions over REST is short: who guesses it is whoever they like.",
            hint=f"Give PORTICO_SESSION_KEY at least {SESSION_KEY_BYTES} random bytes, or leave it out: then one is made.",
            id="tenants.W005",
        )


def insist_on_row_security() -> None:
    """At the start of each process that serves: better no Portico than one whose database role sees every tenant.

    :raises SystemExit: with the check's sentence and its cure.
    """
    for found in the_role_is_bound_by_row_security():
        raise SystemExit(f"{found.id}: {found.msg}\n{found.hint}")
