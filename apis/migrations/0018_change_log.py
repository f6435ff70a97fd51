from typing import Any

import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


def _compare_what_went_live(_: Any, editor: Any) -> None:
    """What went live before is compared by the job, too."""
    with editor.connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO tenants_due (tenant_id, job, at) SELECT id, 'compare_what_went_live', now() FROM tenants_tenant
               ON CONFLICT (tenant_id, job) DO NOTHING"""
        )


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0017_documents_at_addresses"),
        ("tenants", "0005_people"),
    ]

    operations = [
        migrations.CreateModel(
            name="LoggedChange",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("counts", models.JSONField(default=dict)),
                ("said", models.JSONField(default=dict)),
                ("compared_at", models.DateTimeField()),
                ("event", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.event")),
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
                "constraints": [models.UniqueConstraint(fields=("tenant", "event"), name="logged_once_per_event")],
            },
        ),
        enable_rls("apis_loggedchange"),
        same_tenant("apis_loggedchange", "event_id", "tenants_event"),
        migrations.RunPython(_compare_what_went_live, migrations.RunPython.noop),
    ]
