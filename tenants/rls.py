"""Row security in migrations. A new tenant table is its class, `enable_rls(table)`, and one `same_tenant` per reference."""

from django.db.migrations.operations import RunSQL

# NULLIF: after a transaction-local set the setting reads '' and a bare cast raises.
# No sub-select: its value is not known before it runs, so a statement would be planned as for a tenant of average size, and a big one would
# wait. So PostgreSQL reads the setting when it plans, takes the same condition on several tables for one, and TenantManager's for its
# equal, which is looked at once per statement.
_HERS = "tenant_id = NULLIF(current_setting('portico.tenant_id', true), '')::uuid"
_MINE = "user_id = (SELECT NULLIF(current_setting('portico.user_id', true), '')::uuid)"


def enable_rls(table: str, *, parent: bool = True) -> RunSQL:
    """Force row security on a tenant table, with one policy for reading and writing.

    :param parent: make it a possible parent of `same_tenant`; a partitioned table can be none.
    """
    constraint = f"{table}_tenant_id_id"
    return RunSQL(
        f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
        ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_only ON {table} USING ({_HERS}) WITH CHECK ({_HERS});
        {f"ALTER TABLE {table} ADD CONSTRAINT {constraint} UNIQUE (tenant_id, id);" if parent else ""}
        """,
        f"""
        {f"ALTER TABLE {table} DROP CONSTRAINT {constraint};" if parent else ""}
        DROP POLICY tenant_only ON {table};
        ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;
        ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
        """,
    )


def readable_by_its_user(table: str) -> RunSQL:
    """A second policy, for SELECT only: one policy with OR would let a person write rows about themselves anywhere."""
    return RunSQL(f"CREATE POLICY mine ON {table} FOR SELECT USING ({_MINE});", f"DROP POLICY mine ON {table};")


def same_tenant(child: str, column: str, parent: str) -> RunSQL:
    """A composite foreign key: plain ones ignore row security, so a row could point into another tenant.

    PostgreSQL estimates a join by the first foreign key, in the order of their names, that has the join's column. It has to be this one:
    the plain one knows nothing of tenants, and each join by it would seem to leave only a tenant's share of the tenant's own rows.
    """
    name = f"_{child}_{column}_same_tenant"
    return RunSQL(
        f"""
        ALTER TABLE {child} ADD CONSTRAINT {name} FOREIGN KEY (tenant_id, {column}) REFERENCES {parent} (tenant_id, id)
        DEFERRABLE INITIALLY DEFERRED;
        """,
        f"ALTER TABLE {child} DROP CONSTRAINT {name};",
    )


def known_to_the_planner() -> RunSQL:
    """Policies and composite foreign keys as the functions above make them, where earlier ones made them otherwise."""
    altered = f"ALTER POLICY tenant_only ON %s USING ({_HERS}) WITH CHECK ({_HERS})"
    return RunSQL(
        f"""
        DO $do$
        DECLARE
            found record;
        BEGIN
            FOR found IN SELECT polrelid::regclass AS place FROM pg_policy WHERE polname = 'tenant_only' LOOP
                EXECUTE format($policy${altered}$policy$, found.place);
            END LOOP;
            FOR found IN
                SELECT conrelid::regclass AS place, conname FROM pg_constraint WHERE contype = 'f' AND conname ~ '^[^_].*_same_tenant$'
            LOOP
                EXECUTE format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', found.place, found.conname, '_' || found.conname);
            END LOOP;
        END $do$;
        """,  # nosec B608  (names of ours)
        RunSQL.noop,
    )


def append_only(table: str) -> RunSQL:
    """The serving role may add rows and read them; only the owner's functions may ever take one away."""
    return RunSQL(
        f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM portico_app;",
        f"GRANT UPDATE, DELETE ON {table} TO portico_app;",
    )
