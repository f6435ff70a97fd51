import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("keys", "0001_initial"),
        ("tenants", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="ControlProcess",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("seen_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="GatewayNode",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80, unique=True)),
                ("token_sha256", models.CharField(max_length=64)),
                ("address", models.CharField(blank=True, max_length=200)),
                ("version", models.CharField(blank=True, max_length=80)),
                ("connected", models.BooleanField(default=False)),
                ("stream", models.UUIDField(null=True, unique=True)),
                ("seen_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("revoked_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Deployment",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "state",
                    models.CharField(
                        choices=[("in_step", "In step"), ("held", "Older routes, today's access"), ("closed", "Closed")],
                        default="in_step",
                        max_length=10,
                    ),
                ),
                ("good_routes", models.JSONField(null=True)),
                ("refused_digest", models.CharField(blank=True, max_length=64)),
                ("refused_text", models.TextField(blank=True)),
                ("refused_at", models.DateTimeField(null=True)),
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
                ("node", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="gateway.gatewaynode")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant", "node"), name="one_deployment_per_node")],
            },
        ),
        migrations.CreateModel(
            name="Loaded",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("node", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="gateway.gatewaynode")),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.tenant")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant", "node"), name="loaded_once_per_node")],
            },
        ),
        migrations.CreateModel(
            name="Receipt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("routes", models.PositiveBigIntegerField()),
                ("access", models.PositiveBigIntegerField()),
                ("closed", models.BooleanField(default=False)),
                ("at", models.DateTimeField()),
                ("node", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="receipts", to="gateway.gatewaynode")),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.tenant")),
            ],
            options={
                "indexes": [models.Index(fields=["tenant", "node", "id"], name="receipts_of_a_tenant")],
            },
        ),
        migrations.CreateModel(
            name="Refusal",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("request_id", models.CharField(max_length=64)),
                ("code", models.CharField(max_length=40)),
                ("status", models.PositiveSmallIntegerField()),
                ("method", models.CharField(max_length=10)),
                ("path", models.CharField(max_length=500)),
                ("gateway", models.CharField(max_length=80)),
                ("application", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="keys.application")),
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
                "indexes": [models.Index(fields=["tenant", "application", "-id"], name="refusals_of_application")],
            },
        ),
        enable_rls("gateway_deployment"),
        enable_rls("gateway_refusal"),
        same_tenant("gateway_refusal", "application_id", "keys_application"),
    ]
