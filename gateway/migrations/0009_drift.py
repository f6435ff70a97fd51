import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0008_groups"),
        ("tenants", "0009_delegations"),
    ]

    operations = [
        migrations.AddField(
            model_name="loaded",
            name="stale_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="loaded",
            name="unreached_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name="Drift",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("parts", models.JSONField()),
                ("takes", models.BooleanField()),
                ("found_at", models.DateTimeField()),
                ("at", models.DateTimeField()),
                ("node", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="gateway.gatewaynode")),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.tenant")),
            ],
            options={
                "indexes": [
                    models.Index(fields=["tenant", "node", "-id"], name="drift_of_a_tenant"),
                    models.Index(fields=["node", "at"], name="drift_of_a_gateway"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Orphan",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("application", "Application"),
                            ("credential", "Credential"),
                            ("subscription", "Subscription"),
                            ("token", "Token"),
                        ],
                        max_length=12,
                    ),
                ),
                ("name", models.CharField(max_length=64)),
                ("found_at", models.DateTimeField()),
                ("until", models.DateTimeField()),
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
                "indexes": [models.Index(fields=["tenant", "until"], name="orphans_by_end")],
                "constraints": [models.UniqueConstraint(fields=("tenant", "kind", "name"), name="an_orphan_is_found_once")],
            },
        ),
        enable_rls("gateway_orphan"),
    ]
