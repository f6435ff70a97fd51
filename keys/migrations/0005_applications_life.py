import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

import keys.models.application

_WORKING = """
    DROP FUNCTION keys_working;
    CREATE FUNCTION keys_working(tenant uuid, client text, wanted text, asked text[], most integer)
    RETURNS TABLE (
        id uuid, expires_at timestamptz, key_id uuid, lifetime integer, scopes varchar[], known boolean, at timestamptz,
        secret_hmac varchar, pepper_id varchar, jwks text, jwks_url varchar, jwks_fetched_at timestamptz,
        issuer varchar, claim varchar, claim_value varchar, active boolean{type})
    LANGUAGE plpgsql VOLATILE SECURITY INVOKER AS $$
    #variable_conflict use_column
    BEGIN
        PERFORM set_config('portico.tenant_id', tenant::text, true);
        RETURN QUERY SELECT
            c.id, c.expires_at,
            (SELECT k.id FROM keys_signingkey k
             WHERE k.tenant_id = tenant AND k.status = 'active' AND k.purpose = 'access_token'),
            p.token_lifetime, CASE WHEN cardinality(p.scopes) <= most THEN p.scopes END, asked <@ p.scopes::text[], now(),
            c.secret_hmac, c.pepper_id, c.jwks::text, c.jwks_url, c.jwks_fetched_at, c.issuer, c.claim, c.claim_value,
            (SELECT t.status = 'active' FROM tenants_tenant t WHERE t.id = tenant){value}
        FROM keys_credential c, keys_tokenpolicy p
        WHERE c.tenant_id = tenant AND p.tenant_id = tenant AND c.kind = wanted AND c.status IN ('active', 'expiring')
            AND (c.expires_at IS NULL OR c.expires_at > now()) AND c.application_id =
                (SELECT a.id FROM keys_application a
                 WHERE a.tenant_id = tenant AND a.client_id = client AND a.status IN ({among}));
    END $$;
"""
# A client whose application is suspended proves who it is, and hears why it gets no token; a deleted one is unknown.
WORKING = _WORKING.format(
    type=", suspended boolean",
    value=", (SELECT a.status = 'suspended' FROM keys_application a WHERE a.tenant_id = tenant AND a.id = c.application_id)",
    among="'active', 'suspended'",
)


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0004_identity_provider"),
        ("tenants", "0006_many_people"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="application", name="one_application_per_owner_and_name"),
        migrations.RemoveConstraint(model_name="application", name="one_application_per_team_and_name"),
        migrations.AddField(model_name="application", name="contact", field=models.CharField(blank=True, max_length=254)),
        migrations.AddField(model_name="application", name="deleted_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="application", name="reason", field=models.CharField(blank=True, max_length=500)),
        migrations.AddField(
            model_name="application",
            name="suspended_by",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(model_name="application", name="suspended_from", field=ArrayField(models.UUIDField(), default=list, size=None)),
        migrations.AlterField(
            model_name="application",
            name="status",
            field=models.CharField(
                choices=[("active", "Active"), ("suspended", "Suspended"), ("deleted", "Deleted")], default="active", max_length=10
            ),
        ),
        migrations.AlterField(
            model_name="application",
            name="team",
            field=models.ForeignKey(
                null=True, on_delete=keys.models.application.protected_unless_deleted, related_name="+", to="tenants.team"
            ),
        ),
        migrations.AddConstraint(
            model_name="application",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at", None), ("team", None)),
                fields=("tenant", "owner", "name"),
                name="one_application_per_owner_and_name",
            ),
        ),
        migrations.AddConstraint(
            model_name="application",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at", None), ("team__isnull", False)),
                fields=("tenant", "team", "name"),
                name="one_application_per_team_and_name",
            ),
        ),
        migrations.AddConstraint(
            model_name="application",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("deleted_at__isnull", False), ("status", "deleted")),
                    models.Q(("deleted_at__isnull", True), ("status__in", ["active", "suspended"])),
                    _connector="OR",
                ),
                name="what_is_deleted_knows_since_when",
            ),
        ),
        migrations.AddConstraint(
            model_name="application",
            constraint=models.CheckConstraint(
                condition=models.Q(("suspended_by__isnull", False), models.Q(("status", "suspended"), _negated=True), _connector="OR"),
                name="what_is_suspended_knows_by_whom",
            ),
        ),
        migrations.RunSQL(WORKING, _WORKING.format(type="", value="", among="'active'")),
    ]
