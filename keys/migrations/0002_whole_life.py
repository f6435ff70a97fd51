import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0001_initial"),
        ("tenants", "0004_audit"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CalendarFeed",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("secret_hmac", models.CharField(max_length=64)),
                ("pepper_id", models.CharField(max_length=12)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
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
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "verbose_name": "calendar feed",
            },
        ),
        migrations.CreateModel(
            name="CredentialUse",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("tokens", models.PositiveBigIntegerField(default=0)),
                ("calls", models.PositiveBigIntegerField(default=0)),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("credential", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="uses", to="keys.credential")),
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
        ),
        migrations.CreateModel(
            name="ProtectedResource",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=40)),
                ("title", models.CharField(max_length=80)),
                ("scopes", models.JSONField(default=dict)),
                ("encryption_jwk", models.JSONField(null=True)),
                ("published", models.BooleanField(default=False)),
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
        ),
        migrations.CreateModel(
            name="RevokedToken",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("jti", models.CharField(max_length=64)),
                ("expires_at", models.DateTimeField()),
                ("credential", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="keys.credential")),
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
                "verbose_name": "token",
            },
        ),
        migrations.CreateModel(
            name="TokenPolicy",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "algorithm",
                    models.CharField(
                        choices=[
                            ("ES256", "ES256 (ECDSA P-256)"),
                            ("ES384", "ES384 (ECDSA P-384)"),
                            ("RS256-3072", "RS256 (RSA, 3072 bits)"),
                            ("RS256-2048", "RS256 (RSA, 2048 bits: the 112-bit minimum)"),
                            ("EdDSA", "EdDSA (Ed25519)"),
                        ],
                        default="ES256",
                        max_length=12,
                    ),
                ),
                (
                    "rotation",
                    models.PositiveIntegerField(
                        default=2592000,
                        validators=[django.core.validators.MinValueValidator(3600), django.core.validators.MaxValueValidator(31536000)],
                    ),
                ),
                (
                    "token_lifetime",
                    models.PositiveIntegerField(
                        default=600,
                        validators=[django.core.validators.MinValueValidator(60), django.core.validators.MaxValueValidator(900)],
                    ),
                ),
                (
                    "overlap",
                    models.PositiveIntegerField(
                        default=3600,
                        validators=[django.core.validators.MinValueValidator(60), django.core.validators.MaxValueValidator(2592000)],
                    ),
                ),
                (
                    "jwks_max_age",
                    models.PositiveIntegerField(
                        default=300,
                        validators=[django.core.validators.MinValueValidator(5), django.core.validators.MaxValueValidator(3600)],
                    ),
                ),
                ("jwks_kept_until", models.DateTimeField(null=True)),
                (
                    "api_key_days",
                    models.PositiveIntegerField(
                        default=365, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(365)]
                    ),
                ),
                ("scopes", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=128), default=list, size=None)),
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
        ),
        migrations.CreateModel(
            name="UsedAssertion",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("jti_sha256", models.CharField(max_length=64)),
                ("expires_at", models.DateTimeField()),
                ("credential", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="keys.credential")),
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
        ),
        migrations.AlterModelOptions(
            name="signingkey",
            options={"verbose_name": "signing key"},
        ),
        migrations.AddField(
            model_name="credential",
            name="claim",
            field=models.CharField(blank=True, max_length=80),
        ),
        migrations.AddField(
            model_name="credential",
            name="claim_value",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name="credential",
            name="issuer",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name="credential",
            name="jwks",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="credential",
            name="jwks_fetched_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="credential",
            name="jwks_url",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name="credential",
            name="kind",
            field=models.CharField(
                choices=[
                    ("client_secret", "Client secret"),
                    ("api_key", "API key"),
                    ("key_pair", "Key pair"),
                    ("issuer", "Trusted issuer"),
                ],
                default="client_secret",
                max_length=13,
            ),
        ),
        migrations.AddField(
            model_name="credential",
            name="replaces",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="replacements", to="keys.credential"
            ),
        ),
        migrations.AddField(
            model_name="credential",
            name="signed_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="credential",
            name="signing_key",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="keys.signingkey"),
        ),
        migrations.AddField(
            model_name="credential",
            name="warned_days",
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="signingkey",
            name="condemned_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="signingkey",
            name="condemned_why",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name="signingkey",
            name="ended_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="signingkey",
            name="known_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="signingkey",
            name="last_exp",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="signingkey",
            name="longest_lifetime",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="signingkey",
            name="planned_for",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="signingkey",
            name="published_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="signingkey",
            name="published_event",
            field=models.PositiveBigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="signingkey",
            name="remove_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="signingkey",
            name="retired_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="credential",
            name="last_four",
            field=models.CharField(blank=True, max_length=4),
        ),
        migrations.AlterField(
            model_name="credential",
            name="pepper_id",
            field=models.CharField(blank=True, max_length=12),
        ),
        migrations.AlterField(
            model_name="credential",
            name="secret_hmac",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AlterField(
            model_name="signingkey",
            name="purpose",
            field=models.CharField(
                choices=[("access_token", "Access tokens"), ("api_key", "API keys")], default="access_token", max_length=20
            ),
        ),
        migrations.AddIndex(
            model_name="credential",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False)), fields=["tenant", "expires_at"], name="credentials_by_end"
            ),
        ),
        migrations.AddConstraint(
            model_name="credential",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("jwks__isnull", True), ("kind", "client_secret"), ("secret_hmac__gt", "")),
                    models.Q(
                        ("expires_at__isnull", False),
                        ("kind", "api_key"),
                        ("secret_hmac", ""),
                        ("signed_until__isnull", False),
                        ("signing_key__isnull", False),
                    ),
                    models.Q(("jwks__isnull", False), ("kind", "key_pair"), ("secret_hmac", "")),
                    models.Q(
                        ("claim__gt", ""),
                        ("claim_value__gt", ""),
                        ("issuer__gt", ""),
                        ("jwks__isnull", False),
                        ("kind", "issuer"),
                        ("secret_hmac", ""),
                    ),
                    _connector="OR",
                ),
                name="a_credential_has_what_its_kind_needs",
            ),
        ),
        migrations.AddConstraint(
            model_name="signingkey",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["pending", "published"])),
                fields=("tenant", "purpose"),
                name="one_coming_key_per_purpose",
            ),
        ),
        migrations.AddConstraint(
            model_name="signingkey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "retired"), _negated=True),
                    models.Q(("last_exp__isnull", False), ("remove_at__isnull", False)),
                    _connector="OR",
                ),
                name="a_retired_key_knows_its_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="signingkey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "published"), _negated=True),
                    models.Q(("known_at__isnull", False), ("published_event__isnull", False)),
                    _connector="OR",
                ),
                name="a_published_key_knows_since_when",
            ),
        ),
        migrations.AddConstraint(
            model_name="calendarfeed",
            constraint=models.UniqueConstraint(fields=("tenant", "user"), name="one_calendar_feed_per_person"),
        ),
        migrations.AddConstraint(
            model_name="credentialuse",
            constraint=models.UniqueConstraint(fields=("tenant", "credential", "day"), name="one_use_per_credential_and_day"),
        ),
        migrations.AddConstraint(
            model_name="protectedresource",
            constraint=models.UniqueConstraint(fields=("tenant", "name"), name="one_protected_resource_per_api"),
        ),
        migrations.AddIndex(
            model_name="revokedtoken",
            index=models.Index(fields=["tenant", "expires_at"], name="revoked_tokens_by_end"),
        ),
        migrations.AddConstraint(
            model_name="revokedtoken",
            constraint=models.UniqueConstraint(fields=("tenant", "jti"), name="a_token_is_revoked_once"),
        ),
        migrations.AddConstraint(
            model_name="tokenpolicy",
            constraint=models.UniqueConstraint(fields=("tenant",), name="one_token_policy_per_tenant"),
        ),
        migrations.AddConstraint(
            model_name="tokenpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("overlap__gte", models.F("token_lifetime"))), name="no_token_outlives_the_trust_in_its_key"
            ),
        ),
        migrations.AddIndex(
            model_name="usedassertion",
            index=models.Index(fields=["tenant", "expires_at"], name="used_assertions_by_end"),
        ),
        migrations.AddConstraint(
            model_name="usedassertion",
            constraint=models.UniqueConstraint(fields=("tenant", "credential", "jti_sha256"), name="an_assertion_is_used_once"),
        ),
        migrations.RunSQL(
            """
            INSERT INTO keys_tokenpolicy (id, tenant_id, algorithm, rotation, token_lifetime, overlap, jwks_max_age, api_key_days, scopes)
                SELECT gen_random_uuid(), id, 'ES256', 2592000, 600, 3600, 300, 365, '{}' FROM tenants_tenant;
            INSERT INTO tenants_due (tenant_id, job, at)
                SELECT id, job, now() FROM tenants_tenant, unnest(ARRAY['advance_signing_keys', 'warn_expiries']) AS jobs (job)
                ON CONFLICT DO NOTHING;
            """,
            migrations.RunSQL.noop,
        ),
        # What the token endpoint asks, as a function: its plan is kept for the connection, where planning took twice the time of running.
        # The caller's own rights and row security hold in it.
        migrations.RunSQL(
            """
            CREATE FUNCTION keys_working(tenant uuid, client text, wanted text, asked text[], most integer)
            RETURNS TABLE (
                id uuid, expires_at timestamptz, key_id uuid, lifetime integer, scopes varchar[], known boolean, at timestamptz,
                secret_hmac varchar, pepper_id varchar, jwks text, jwks_url varchar, jwks_fetched_at timestamptz,
                issuer varchar, claim varchar, claim_value varchar)
            LANGUAGE plpgsql VOLATILE SECURITY INVOKER AS $$
            #variable_conflict use_column
            BEGIN
                PERFORM set_config('portico.tenant_id', tenant::text, true);
                RETURN QUERY SELECT
                    c.id, c.expires_at,
                    (SELECT k.id FROM keys_signingkey k
                     WHERE k.tenant_id = tenant AND k.status = 'active' AND k.purpose = 'access_token'),
                    p.token_lifetime, CASE WHEN cardinality(p.scopes) <= most THEN p.scopes END, asked <@ p.scopes::text[], now(),
                    c.secret_hmac, c.pepper_id, c.jwks::text, c.jwks_url, c.jwks_fetched_at, c.issuer, c.claim, c.claim_value
                FROM keys_credential c, keys_tokenpolicy p
                WHERE c.tenant_id = tenant AND p.tenant_id = tenant AND c.kind = wanted AND c.status IN ('active', 'expiring')
                    AND (c.expires_at IS NULL OR c.expires_at > now()) AND c.application_id =
                        (SELECT a.id FROM keys_application a
                         WHERE a.tenant_id = tenant AND a.client_id = client AND a.status = 'active');
            END $$;
            """,
            "DROP FUNCTION keys_working;",
        ),
        *(
            enable_rls(f"keys_{table}")
            for table in ("tokenpolicy", "protectedresource", "credentialuse", "revokedtoken", "usedassertion", "calendarfeed")
        ),
        same_tenant("keys_credential", "signing_key_id", "keys_signingkey"),
        same_tenant("keys_credential", "replaces_id", "keys_credential"),
        same_tenant("keys_credentialuse", "credential_id", "keys_credential"),
        same_tenant("keys_revokedtoken", "credential_id", "keys_credential"),
        same_tenant("keys_usedassertion", "credential_id", "keys_credential"),
    ]
