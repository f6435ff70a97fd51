import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0008_versions_life"),
    ]

    operations = [
        migrations.AddField(model_name="revision", name="lint", field=models.JSONField(null=True)),
        migrations.AddField(model_name="revision", name="findings", field=models.JSONField(default=list)),
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
