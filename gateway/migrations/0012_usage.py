import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0011_counted_until"),
        ("tenants", "0009_delegations"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsageFreshness",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("written_until", models.DateTimeField()),
                ("waiting", models.PositiveBigIntegerField(default=0)),
                ("lost", models.PositiveBigIntegerField(default=0)),
                ("lost_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="UsageDay",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("api", models.UUIDField(null=True)),
                ("version", models.CharField(blank=True, max_length=20)),
                ("operation", models.CharField(blank=True, max_length=200)),
                ("application", models.UUIDField(null=True)),
                ("subscription", models.UUIDField(null=True)),
                ("plan", models.CharField(blank=True, max_length=80)),
                ("status_class", models.PositiveSmallIntegerField()),
                ("code", models.CharField(blank=True, max_length=40)),
                ("calls", models.PositiveBigIntegerField()),
                ("bytes_in", models.PositiveBigIntegerField()),
                ("bytes_out", models.PositiveBigIntegerField()),
                ("duration_ms_sum", models.PositiveBigIntegerField()),
                ("histogram", django.contrib.postgres.fields.ArrayField(base_field=models.PositiveBigIntegerField(), size=None)),
                (
                    "tenant",
                    models.ForeignKey(
                        default=tenants.scope.current_tenant_id,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=(
                            "tenant",
                            "at",
                            "api",
                            "version",
                            "operation",
                            "application",
                            "subscription",
                            "plan",
                            "status_class",
                            "code",
                        ),
                        name="usage_once_a_day",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="UsageHour",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("api", models.UUIDField(null=True)),
                ("version", models.CharField(blank=True, max_length=20)),
                ("operation", models.CharField(blank=True, max_length=200)),
                ("application", models.UUIDField(null=True)),
                ("subscription", models.UUIDField(null=True)),
                ("plan", models.CharField(blank=True, max_length=80)),
                ("status_class", models.PositiveSmallIntegerField()),
                ("code", models.CharField(blank=True, max_length=40)),
                ("calls", models.PositiveBigIntegerField()),
                ("bytes_in", models.PositiveBigIntegerField()),
                ("bytes_out", models.PositiveBigIntegerField()),
                ("duration_ms_sum", models.PositiveBigIntegerField()),
                ("histogram", django.contrib.postgres.fields.ArrayField(base_field=models.PositiveBigIntegerField(), size=None)),
                (
                    "tenant",
                    models.ForeignKey(
                        default=tenants.scope.current_tenant_id,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=(
                            "tenant",
                            "at",
                            "api",
                            "version",
                            "operation",
                            "application",
                            "subscription",
                            "plan",
                            "status_class",
                            "code",
                        ),
                        name="usage_once_an_hour",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                # Django knows no partitions; one per day, which gateway_usage_day() makes.
                migrations.RunSQL(
                    """
                    CREATE TABLE gateway_usageminute (LIKE gateway_usagehour INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
                        PARTITION BY RANGE (at);
                    ALTER TABLE gateway_usageminute ADD CONSTRAINT usage_once_a_minute UNIQUE NULLS NOT DISTINCT
                        (tenant_id, at, api, version, operation, application, subscription, plan, status_class, code);
                    """,
                    "DROP TABLE gateway_usageminute;",
                ),
            ],
            state_operations=[
                migrations.CreateModel(
                    name="UsageMinute",
                    fields=[
                        ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                        ("at", models.DateTimeField()),
                        ("api", models.UUIDField(null=True)),
                        ("version", models.CharField(blank=True, max_length=20)),
                        ("operation", models.CharField(blank=True, max_length=200)),
                        ("application", models.UUIDField(null=True)),
                        ("subscription", models.UUIDField(null=True)),
                        ("plan", models.CharField(blank=True, max_length=80)),
                        ("status_class", models.PositiveSmallIntegerField()),
                        ("code", models.CharField(blank=True, max_length=40)),
                        ("calls", models.PositiveBigIntegerField()),
                        ("bytes_in", models.PositiveBigIntegerField()),
                        ("bytes_out", models.PositiveBigIntegerField()),
                        ("duration_ms_sum", models.PositiveBigIntegerField()),
                        ("histogram", django.contrib.postgres.fields.ArrayField(base_field=models.PositiveBigIntegerField(), size=None)),
                        (
                            "tenant",
                            models.ForeignKey(
                                db_constraint=False,
                                default=tenants.scope.current_tenant_id,
                                editable=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="tenants.tenant",
                            ),
                        ),
                    ],
                    options={
                        "constraints": [
                            models.UniqueConstraint(
                                fields=(
                                    "tenant",
                                    "at",
                                    "api",
                                    "version",
                                    "operation",
                                    "application",
                                    "subscription",
                                    "plan",
                                    "status_class",
                                    "code",
                                ),
                                name="usage_once_a_minute",
                                nulls_distinct=False,
                            )
                        ],
                    },
                ),
            ],
        ),
        migrations.CreateModel(
            name="UsageOpenHour",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("writes", models.PositiveBigIntegerField(default=1)),
                (
                    "tenant",
                    models.ForeignKey(
                        default=tenants.scope.current_tenant_id,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant", "at"), name="open_hour_once")],
            },
        ),
        enable_rls("gateway_usageminute", parent=False),
        enable_rls("gateway_usagehour"),
        enable_rls("gateway_usageday"),
        enable_rls("gateway_usageopenhour"),
        # The serving role makes and drops no table; it asks for a day. A partition can be read by its own name, so it has its own policy,
        # which is the whole table's, and the serving role may go by the whole table only.
        migrations.RunSQL(
            """
            CREATE FUNCTION gateway_usage_day(day date) RETURNS boolean
            LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
            DECLARE
                today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
                name text := 'gateway_usageminute_' || to_char(day, 'YYYYMMDD');
                hers text;
            BEGIN
                IF day IS NULL OR day < today - 400 OR day > today + 31 THEN
                    RAISE EXCEPTION 'No partition is made for %.', day;
                END IF;
                IF to_regclass('public.' || name) IS NOT NULL THEN
                    RETURN false;
                END IF;
                PERFORM pg_advisory_xact_lock(hashtext('gateway_usage_day'));
                IF to_regclass('public.' || name) IS NOT NULL THEN
                    RETURN false;
                END IF;
                SELECT pg_get_expr(polqual, polrelid) INTO STRICT hers FROM pg_policy
                    WHERE polrelid = 'public.gateway_usageminute'::regclass AND polname = 'tenant_only';
                -- Made apart and then attached: who writes meanwhile does not wait.
                EXECUTE format('CREATE TABLE public.%I (LIKE public.gateway_usageminute INCLUDING ALL)', name);
                EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
                EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', name);
                EXECUTE format('CREATE POLICY tenant_only ON public.%I USING (%s) WITH CHECK (%s)', name, hers, hers);
                EXECUTE format('REVOKE ALL ON public.%I FROM portico_app', name);
                EXECUTE format('ALTER TABLE public.gateway_usageminute ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                    name, to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00');
                RETURN true;
            END $$;
            REVOKE EXECUTE ON FUNCTION gateway_usage_day FROM PUBLIC;
            GRANT EXECUTE ON FUNCTION gateway_usage_day TO portico_app;

            CREATE FUNCTION gateway_usage_drop(before date) RETURNS integer
            LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
            -- It needs the whole table for a moment. Who writes must not stand behind it for long; the job tries again.
            SET lock_timeout = '2s' AS $$
            DECLARE
                place record;
                dropped integer := 0;
            BEGIN
                IF before IS NULL OR before > (clock_timestamp() AT TIME ZONE 'UTC')::date - 2 THEN
                    RAISE EXCEPTION 'What is younger than two days is not dropped.';
                END IF;
                FOR place IN
                    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                    WHERE i.inhparent = 'public.gateway_usageminute'::regclass
                        AND c.relname < 'gateway_usageminute_' || to_char(before, 'YYYYMMDD')
                    ORDER BY c.relname
                LOOP
                    EXECUTE format('DROP TABLE public.%I', place.relname);
                    dropped := dropped + 1;
                END LOOP;
                RETURN dropped;
            END $$;
            REVOKE EXECUTE ON FUNCTION gateway_usage_drop FROM PUBLIC;
            GRANT EXECUTE ON FUNCTION gateway_usage_drop TO portico_app;

            SELECT gateway_usage_day((now() AT TIME ZONE 'UTC')::date + ahead) FROM generate_series(0, 3) AS ahead;
            """,
            """
            DROP FUNCTION gateway_usage_drop;
            DROP FUNCTION gateway_usage_day;
            """,
        ),
        # Histograms add up place by place.
        migrations.RunSQL(
            """
            CREATE FUNCTION gateway_usage_added(bigint[], bigint[]) RETURNS bigint[]
            LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
                SELECT array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY place) FROM unnest($1, $2) WITH ORDINALITY AS t (a, b, place)
            $$;
            CREATE AGGREGATE gateway_usage_sum(bigint[]) (
                SFUNC = gateway_usage_added, STYPE = bigint[], INITCOND = '{}', COMBINEFUNC = gateway_usage_added, PARALLEL = SAFE);
            GRANT EXECUTE ON FUNCTION gateway_usage_added(bigint[], bigint[]) TO portico_app;
            GRANT EXECUTE ON FUNCTION gateway_usage_sum(bigint[]) TO portico_app;
            """,
            """
            DROP AGGREGATE gateway_usage_sum(bigint[]);
            DROP FUNCTION gateway_usage_added;
            """,
        ),
    ]
