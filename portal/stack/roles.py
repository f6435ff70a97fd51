"""The database roles and their rights, as SQL for psql that can run again at every start."""

from collections.abc import Mapping

OWNER, APP, BACKUP = "portico_owner", "portico_app", "portico_backup"
ROLES = (OWNER, APP, BACKUP)
DATABASE = "portico"

# An error would otherwise write its statement, and the password in it, to PostgreSQL's log.
# Of the orders in which a page's seven tables could be joined PostgreSQL would look at so many that planning took twenty times as long as
# the answer; what is joined to a list belongs to its rows, and can be joined as it is written. And a page anywhere on an SSD costs hardly
# more than the next one, so that a hundred thousand people need not be read to name a few of them.
ROLES_SQL = """
SET log_min_error_statement = panic;
SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['portico_owner', 'portico_app', 'portico_backup']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \\gexec
ALTER ROLE portico_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'portico_owner';
ALTER ROLE portico_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'portico_app';
ALTER ROLE portico_app SET join_collapse_limit = 4;
ALTER ROLE portico_app SET random_page_cost = 1.1;
ALTER ROLE portico_backup LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION BYPASSRLS
    PASSWORD :'portico_backup';
ALTER ROLE portico_backup SET default_transaction_read_only = on;
GRANT pg_read_all_data TO portico_backup;
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
"""

DATABASE_SQL = """
SELECT format('CREATE DATABASE %I OWNER portico_owner', :'name')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \\gexec
"""

# The owner may make things, the app may use them, the backup may read them, everybody else nothing.
RIGHTS_SQL = """
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"name" TO portico_app, portico_backup;
ALTER SCHEMA public OWNER TO portico_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO portico_app, portico_backup;
ALTER DEFAULT PRIVILEGES FOR ROLE portico_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE portico_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO portico_app;
ALTER DEFAULT PRIVILEGES FOR ROLE portico_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO portico_app;
ALTER DEFAULT PRIVILEGES FOR ROLE portico_owner IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO portico_app;
"""

# Names the cluster and what was migrated in it, to tell whether `migrate` has anything to do.
STATE_SQL = """
SELECT system_identifier FROM pg_control_system();
SELECT 'SELECT md5(string_agg(app || name, '','' ORDER BY app, name)) FROM django_migrations'
WHERE to_regclass('public.django_migrations') IS NOT NULL \\gexec
"""


def with_variables(sql: str, variables: Mapping[str, str]) -> str:
    """Set psql's variables ahead of the SQL, on standard input: arguments can be read by every user of the machine."""
    lines = ["\\set {} '{}'".format(name, value.replace("'", "''")) for name, value in variables.items()]
    return "\n".join([*lines, sql])
