import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [("apis", "0026_comparisons"), ("tenants", "0006_many_people")]

    operations = [
        migrations.CreateModel(
            name="VersionDay",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("answered", models.PositiveBigIntegerField(default=0)),
                ("failed_upstream", models.PositiveBigIntegerField(default=0)),
                ("failed_gateway", models.PositiveBigIntegerField(default=0)),
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
                ("version", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="days", to="apis.apiversion")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant", "version", "day"), name="one_row_per_version_and_day")],
            },
        ),
        enable_rls("apis_versionday"),
        same_tenant("apis_versionday", "version_id", "apis_apiversion"),
    ]
