import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0014_categories_and_tags"),
        ("tenants", "0006_many_people"),
    ]

    operations = [
        migrations.AddField(
            model_name="api",
            name="visibility",
            field=models.CharField(
                choices=[("public", "Everybody"), ("tenant", "Members"), ("teams", "Some teams")], default="public", max_length=6
            ),
        ),
        migrations.AddConstraint(
            model_name="api",
            constraint=models.CheckConstraint(
                condition=models.Q(("visibility__in", ["public", "tenant", "teams"])), name="a_visibility_of_the_three"
            ),
        ),
        migrations.CreateModel(
            name="ApiTeam",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "api",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="audience", to="apis.api"),
                ),
                (
                    "team",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.team"),
                ),
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
                "constraints": [models.UniqueConstraint(fields=("tenant", "api", "team"), name="in_an_audience_once")],
            },
        ),
        enable_rls("apis_apiteam"),
        same_tenant("apis_apiteam", "api_id", "apis_api"),
        same_tenant("apis_apiteam", "team_id", "tenants_team"),
    ]
