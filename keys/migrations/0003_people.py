import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import append_only, enable_rls, same_tenant

_WORKING = """
    DROP FUNCTION keys_working;
    CREATE FUNCTION keys_working(tenant uuid, client text, wanted text, asked text[], most integer)
    RETURNS TABLE (
        id uuid, expires_at timestamptz, key_id uuid, lifetime integer, scopes varchar[], known boolean, at timestamptz,
        secret_hmac varchar, pepper_id varchar, jwks text, jwks_url varchar, jwks_fetched_at timestamptz,
        issuer varchar, claim varchar, claim_value varchar{type})
    LANGUAGE plpgsql VOLATILE SECURITY INVOKER AS $$
    #variable_conflict use_column
    BEGIN
        PERFORM set_config('portico.tenant_id', tenant::text, true);
        RETURN QUERY SELECT
            c.id, c.expires_at,
            (SELECT k.id FROM keys_signingkey k
             WHERE k.tenant_id = tenant AND k.status = 'active' AND k.purpose = 'access_token'),
            p.token_lifetime, CASE WHEN cardinality(p.scopes) <= most THEN p.scopes END, asked <@ p.scopes::text[], now(),
            c.secret_hmac, c.pepper_id, c.jwks::text, c.jwks_url, c.jwks_fetched_at, c.issuer, c.claim, c.claim_value{value}
        FROM keys_credential c, keys_tokenpolicy p
        WHERE c.tenant_id = tenant AND p.tenant_id = tenant AND c.kind = wanted AND c.status IN ('active', 'expiring')
            AND (c.expires_at IS NULL OR c.expires_at > now()) AND c.application_id =
                (SELECT a.id FROM keys_application a
                 WHERE a.tenant_id = tenant AND a.client_id = client AND a.status = 'active');
    END $$;
"""
# Whether the tenant is active: the token endpoint has one statement for all that it asks.
WORKING = _WORKING.format(type=", active boolean", value=", (SELECT t.status = 'active' FROM tenants_tenant t WHERE t.id = tenant)")


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0002_whole_life"),
        ("tenants", "0005_people"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditKey",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("kid", models.CharField(max_length=43, unique=True)),
                ("alg", models.CharField(max_length=10)),
                ("public_jwk", models.JSONField()),
                ("sealed", models.TextField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="PlatformHead",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveBigIntegerField(unique=True)),
                ("digest", models.CharField(max_length=64)),
                ("signed_at", models.DateTimeField()),
                ("jws", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name="ChainHead",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("number", models.PositiveBigIntegerField()),
                ("digest", models.CharField(max_length=64)),
                ("signed_at", models.DateTimeField()),
                ("jws", models.TextField()),
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
                "constraints": [models.UniqueConstraint(fields=("tenant", "number"), name="one_signed_head_per_number")],
            },
        ),
        migrations.AddField(
            model_name="application",
            name="team",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.team"),
        ),
        migrations.RemoveConstraint(model_name="application", name="one_application_per_owner_and_name"),
        migrations.AddConstraint(
            model_name="application",
            constraint=models.UniqueConstraint(
                condition=models.Q(("team", None)), fields=("tenant", "owner", "name"), name="one_application_per_owner_and_name"
            ),
        ),
        migrations.AddConstraint(
            model_name="application",
            constraint=models.UniqueConstraint(
                condition=models.Q(("team__isnull", False)), fields=("tenant", "team", "name"), name="one_application_per_team_and_name"
            ),
        ),
        enable_rls("keys_chainhead"),
        append_only("keys_chainhead"),
        append_only("keys_platformhead"),
        same_tenant("keys_application", "team_id", "tenants_team"),
        migrations.RunSQL(WORKING, _WORKING.format(type="", value="")),
    ]
