import django.db.models.deletion
import django.db.models.functions
from django.conf import settings
from django.db import migrations, models

import tenants.models.base

ID = models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)
NODE = "gateway.gatewaynode"


class Migration(migrations.Migration):
    dependencies = [("gateway", "0004_parts"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="NodeCredential",
            fields=[
                ("id", ID),
                ("sha256", models.CharField(max_length=64, unique=True)),
                ("last_four", models.CharField(blank=True, max_length=4)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("last_used_at", models.DateTimeField(null=True)),
                ("rolled_at", models.DateTimeField(null=True)),
                ("ends_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                ("node", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="credentials", to=NODE)),
                (
                    "successor",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="gateway.nodecredential"
                    ),
                ),
            ],
        ),
        # What gateways show today, they show tomorrow.
        migrations.RunSQL(
            """INSERT INTO gateway_nodecredential (id, node_id, sha256, last_four, created_at, ends_at, revoked_at)
               SELECT gen_random_uuid(), id, token_sha256, '', created_at, revoked_at, revoked_at FROM gateway_gatewaynode""",
            migrations.RunSQL.noop,
        ),
        migrations.CreateModel(
            name="JoinToken",
            fields=[
                ("id", ID),
                ("name", models.CharField(max_length=80)),
                ("address", models.CharField(blank=True, max_length=200)),
                ("sha256", models.CharField(max_length=64, unique=True)),
                ("last_four", models.CharField(max_length=4)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                ("refused", models.PositiveIntegerField(default=0)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("node", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=NODE)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("revoked_at", None), ("used_at", None)), fields=("name",), name="one_join_token_for_a_gateway"
                    )
                ],
            },
        ),
    ]
