from typing import Any

import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls


def _live_now(_: Any, editor: Any) -> None:
    """What is live has reached callers, but of versions that were never opened. The owner sees no rows but in scope."""
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT id FROM tenants_tenant")
        for (tenant,) in cursor.fetchall():
            cursor.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(tenant)])
            cursor.execute(
                """UPDATE apis_revision SET went_live_at = now()
                       WHERE id IN (SELECT live_revision_id FROM apis_apiversion WHERE status <> 'created')"""
            )
        cursor.execute("SELECT set_config('portico.tenant_id', '', true)")


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0008_versions_life"),
    ]

    operations = [
        migrations.AddField(model_name="revision", name="lint", field=models.JSONField(null=True)),
        migrations.AddField(model_name="revision", name="findings", field=models.JSONField(default=list)),
        migrations.AddField(model_name="revision", name="went_live_at", field=models.DateTimeField(null=True)),
        migrations.RunPython(_live_now, migrations.RunPython.noop),
        migrations.CreateModel(
            name="LintRule",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("rule", models.CharField(max_length=60)),
                ("choice", models.CharField(max_length=6)),
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
                    models.UniqueConstraint(fields=("tenant", "rule"), name="one_choice_per_rule"),
                    models.CheckConstraint(condition=models.Q(("choice__in", ["off", "on", "blocks"])), name="a_choice_of_the_three"),
                ],
            },
        ),
        enable_rls("apis_lintrule"),
    ]
