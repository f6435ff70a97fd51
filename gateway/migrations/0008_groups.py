import uuid

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0036_plans_scopes"),
        ("gateway", "0007_snapshots"),
        ("tenants", "0009_delegations"),
    ]

    operations = [
        migrations.CreateModel(
            name="GatewayGroup",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "name",
                    models.CharField(
                        max_length=40,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9](?:-?[a-z0-9])*\\Z",
                                "Use lower-case letters, digits and single hyphens, for example “orders-eu”.",
                                "invalid_slug",
                            )
                        ],
                    ),
                ),
                ("description", models.CharField(blank=True, max_length=300)),
                ("url", models.CharField(blank=True, max_length=300)),
                ("for_all", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("for_all", True), ("id", uuid.UUID("00000000-0000-0000-0000-000000000001")), ("name", "default")),
                            models.Q(
                                models.Q(("id", uuid.UUID("00000000-0000-0000-0000-000000000001")), _negated=True),
                                models.Q(("name", "default"), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="one_default_group_for_all",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiGroup",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("api", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="gateway_groups", to="apis.api")),
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
                ("group", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="gateway.gatewaygroup")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant", "api", "group"), name="an_api_once_per_group")],
            },
        ),
        migrations.CreateModel(
            name="GroupedNode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("group", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="nodes", to="gateway.gatewaygroup")),
                ("node", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="groups", to="gateway.gatewaynode")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("node", "group"), name="a_node_once_per_group")],
            },
        ),
        migrations.CreateModel(
            name="GroupTenant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "group",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="tenants", to="gateway.gatewaygroup"),
                ),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.tenant")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("group", "tenant"), name="a_tenant_once_per_group")],
            },
        ),
        migrations.CreateModel(
            name="GroupUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("group", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="uses", to="gateway.gatewaygroup")),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.tenant")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant", "group"), name="a_use_once_per_tenant")],
            },
        ),
        enable_rls("gateway_apigroup"),
        same_tenant("gateway_apigroup", "api_id", "apis_api"),
        # Every gateway and every API is in it unless somebody said otherwise, so it is there before anybody.
        migrations.RunSQL(
            """
            INSERT INTO gateway_gatewaygroup (id, name, description, url, for_all, created_at)
            VALUES ('00000000-0000-0000-0000-000000000001', 'default', '', '', true, now())
            """,
            migrations.RunSQL.noop,
        ),
    ]
