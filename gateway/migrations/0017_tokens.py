import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0016_log_shipping"),
        ("tenants", "0012_usage_retention"),
    ]

    operations = [
        migrations.CreateModel(
            name="TokenDay",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("api", models.UUIDField(null=True)),
                ("application", models.UUIDField(null=True)),
                ("subscription", models.UUIDField(null=True)),
                ("plan", models.CharField(blank=True, max_length=80)),
                ("asked", models.CharField(blank=True, max_length=200)),
                ("provider", models.CharField(blank=True, max_length=40)),
                ("model", models.CharField(blank=True, max_length=120)),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("calls", models.PositiveBigIntegerField()),
                ("input", models.PositiveBigIntegerField()),
                ("output", models.PositiveBigIntegerField()),
                ("cached", models.PositiveBigIntegerField()),
                ("reasoning", models.PositiveBigIntegerField()),
                ("amount", models.PositiveBigIntegerField()),
                ("missing", models.PositiveBigIntegerField()),
                ("unpriced", models.PositiveBigIntegerField()),
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
                        fields=("tenant", "at", "api", "application", "subscription", "plan", "asked", "provider", "model", "currency"),
                        name="tokens_once_a_day",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TokenHour",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("api", models.UUIDField(null=True)),
                ("application", models.UUIDField(null=True)),
                ("subscription", models.UUIDField(null=True)),
                ("plan", models.CharField(blank=True, max_length=80)),
                ("asked", models.CharField(blank=True, max_length=200)),
                ("provider", models.CharField(blank=True, max_length=40)),
                ("model", models.CharField(blank=True, max_length=120)),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("calls", models.PositiveBigIntegerField()),
                ("input", models.PositiveBigIntegerField()),
                ("output", models.PositiveBigIntegerField()),
                ("cached", models.PositiveBigIntegerField()),
                ("reasoning", models.PositiveBigIntegerField()),
                ("amount", models.PositiveBigIntegerField()),
                ("missing", models.PositiveBigIntegerField()),
                ("unpriced", models.PositiveBigIntegerField()),
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
                        fields=("tenant", "at", "api", "application", "subscription", "plan", "asked", "provider", "model", "currency"),
                        name="tokens_once_an_hour",
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
                    CREATE TABLE gateway_tokenminute (LIKE gateway_tokenhour INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
                        PARTITION BY RANGE (at);
                    ALTER TABLE gateway_tokenminute ADD CONSTRAINT tokens_once_a_minute UNIQUE NULLS NOT DISTINCT
                        (tenant_id, at, api, application, subscription, plan, asked, provider, model, currency);
                    """,
                    "DROP TABLE gateway_tokenminute;",
                ),
            ],
            state_operations=[
                migrations.CreateModel(
                    name="TokenMinute",
                    fields=[
                        ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                        ("at", models.DateTimeField()),
                        ("api", models.UUIDField(null=True)),
                        ("application", models.UUIDField(null=True)),
                        ("subscription", models.UUIDField(null=True)),
                        ("plan", models.CharField(blank=True, max_length=80)),
                        ("asked", models.CharField(blank=True, max_length=200)),
                        ("provider", models.CharField(blank=True, max_length=40)),
                        ("model", models.CharField(blank=True, max_length=120)),
                        ("currency", models.CharField(blank=True, max_length=3)),
                        ("calls", models.PositiveBigIntegerField()),
                        ("input", models.PositiveBigIntegerField()),
                        ("output", models.PositiveBigIntegerField()),
                        ("cached", models.PositiveBigIntegerField()),
                        ("reasoning", models.PositiveBigIntegerField()),
                        ("amount", models.PositiveBigIntegerField()),
                        ("missing", models.PositiveBigIntegerField()),
                        ("unpriced", models.PositiveBigIntegerField()),
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
                                    "application",
                                    "subscription",
                                    "plan",
                                    "asked",
                                    "provider",
                                    "model",
                                    "currency",
                                ),
                                name="tokens_once_a_minute",
                                nulls_distinct=False,
                            )
                        ],
                    },
                ),
            ],
        ),
        enable_rls("gateway_tokenminute", parent=False),
        enable_rls("gateway_tokenhour"),
        enable_rls("gateway_tokenday"),
        # As 0012_usage has them, for both tables of minutes: a day is made where one of them has none, and dropped of both.
        migrations.RunSQL(
            """
            CREATE OR REPLACE FUNCTION gateway_usage_day(day date) RETURNS boolean
            LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
            DECLARE
                today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
                parent text;
                name text;
                hers text;
                made boolean := false;
            BEGIN
                IF day IS NULL OR day < today - 400 OR day > today + 31 THEN
                    RAISE EXCEPTION 'No partition is made for %.', day;
                END IF;
                FOREACH parent IN ARRAY ARRAY['gateway_usageminute', 'gateway_tokenminute'] LOOP
                    name := parent || '_' || to_char(day, 'YYYYMMDD');
                    CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
                    PERFORM pg_advisory_xact_lock(hashtext('gateway_usage_day'));
                    CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
                    SELECT pg_get_expr(polqual, polrelid) INTO STRICT hers FROM pg_policy
                        WHERE polrelid = ('public.' || parent)::regclass AND polname = 'tenant_only';
                    -- Made apart and then attached: who writes meanwhile does not wait.
                    EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING ALL)', name, parent);
                    EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
                    EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', name);
                    EXECUTE format('CREATE POLICY tenant_only ON public.%I USING (%s) WITH CHECK (%s)', name, hers, hers);
                    EXECUTE format('REVOKE ALL ON public.%I FROM portico_app', name);
                    EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                        parent, name, to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00');
                    made := true;
                END LOOP;
                RETURN made;
            END $$;

            CREATE OR REPLACE FUNCTION gateway_usage_drop(before date) RETURNS integer
            LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
            SET lock_timeout = '2s' AS $$
            DECLARE
                place record;
                dropped integer := 0;
            BEGIN
                IF before IS NULL OR before > (clock_timestamp() AT TIME ZONE 'UTC')::date - 2 THEN
                    RAISE EXCEPTION 'What is younger than two days is not dropped.';
                END IF;
                FOR place IN
                    SELECT c.relname, p.relname AS parent FROM pg_inherits i
                    JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
                    WHERE i.inhparent IN ('public.gateway_usageminute'::regclass, 'public.gateway_tokenminute'::regclass)
                        AND c.relname < p.relname || '_' || to_char(before, 'YYYYMMDD')
                    ORDER BY c.relname
                LOOP
                    EXECUTE format('DROP TABLE public.%I', place.relname);
                    dropped := dropped + (place.parent = 'gateway_usageminute')::integer;
                END LOOP;
                RETURN dropped;
            END $$;

            SELECT gateway_usage_day((now() AT TIME ZONE 'UTC')::date + ahead) FROM generate_series(0, 3) AS ahead;
            """,
            migrations.RunSQL.noop,
        ),
    ]
