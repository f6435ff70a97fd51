"""Row security in migrations. A new tenant table is its class, `enable_rls(table)`, and one `same_tenant` per reference."""

from django.db.migrations.operations import RunSQL

# NULLIF: after a transaction-local set the setting reads '' and a bare cast raises.
# The sub-select is evaluated once per statement, not once per row.
_HERS = "tenant_id = (SELECT NULLIF(current_setting('portico.tenant_id', true), '')::uuid)"
_MINE = "user_id = (SELECT NULLIF(current_setting('portico.user_id', true), '')::uuid)"


def enable_rls(table: str) -> RunSQL:
    """Force row security on a tenant table, with one policy for reading and writing, and make it a possible parent of `same_tenant`."""
    return RunSQL(
        f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
        ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_only ON {table} USING ({_HERS}) WITH CHECK ({_HERS});
        ALTER TABLE {table} ADD CONSTRAINT {table}_tenant_id_id UNIQUE (tenant_id, id);
        """,
        f"""
        ALTER TABLE {table} DROP CONSTRAINT {table}_tenant_id_id;
        DROP POLICY tenant_only ON {table};
        ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;
        ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
        """,
    )


def readable_by_its_user(table: str) -> RunSQL:
    """A second policy, for SELECT only: one policy with OR would let a person write rows about themselves anywhere."""
    return RunSQL(f"CREATE POLICY mine ON {table} FOR SELECT USING ({_MINE});", f"DROP POLICY mine ON {table};")


def same_tenant(child: str, column: str, parent: str) -> RunSQL:
    """A composite foreign key: plain ones ignore row security, so a row could point into another tenant."""
    name = f"{child}_{column}_same_tenant"
    return RunSQL(
        f"""
        ALTER TABLE {child} ADD CONSTRAINT {name} FOREIGN KEY (tenant_id, {column}) REFERENCES {parent} (tenant_id, id)
        DEFERRABLE INITIALLY DEFERRED;
        """,
        f"ALTER TABLE {child} DROP CONSTRAINT {name};",
    )


def append_only(table: str) -> RunSQL:
    """The serving role may add rows and read them; only the owner's functions may ever take one away."""
    return RunSQL(
        f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM portico_app;",
        f"GRANT UPDATE, DELETE ON {table} TO portico_app;",
    )
