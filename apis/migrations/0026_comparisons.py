import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0025_balancing"),
    ]

    operations = [
        migrations.CreateModel(
            name="Comparison",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("said", models.JSONField(null=True)),
                ("day", models.DateField(null=True)),
                ("new", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="apis.revision")),
                ("old", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="apis.revision")),
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
                "constraints": [models.UniqueConstraint(fields=("tenant", "old", "new"), name="compared_once_per_pair")],
            },
        ),
        enable_rls("apis_comparison"),
        same_tenant("apis_comparison", "old_id", "apis_revision"),
        same_tenant("apis_comparison", "new_id", "apis_revision"),
    ]
