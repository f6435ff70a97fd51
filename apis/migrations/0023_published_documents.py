import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [("apis", "0022_parts"), ("tenants", "0006_many_people")]

    operations = [
        migrations.CreateModel(
            name="PublishedDocument",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("form", models.CharField(choices=[("json", "JSON"), ("yaml", "YAML")], max_length=4)),
                ("made_from", models.CharField(max_length=64)),
                ("content", models.BinaryField()),
                ("sha256", models.CharField(max_length=64)),
                ("made_at", models.DateTimeField()),
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
                ("version", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="apis.apiversion")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant", "version", "form"), name="one_document_per_version_and_form")],
            },
        ),
        enable_rls("apis_publisheddocument"),
        same_tenant("apis_publisheddocument", "version_id", "apis_apiversion"),
    ]
