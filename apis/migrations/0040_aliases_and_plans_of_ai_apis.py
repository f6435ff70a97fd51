import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls


class Migration(migrations.Migration):
    dependencies = [("apis", "0039_ai_apis"), ("tenants", "0012_usage_retention")]

    operations = [
        migrations.CreateModel(
            name="ModelAlias",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=40)),
                ("targets", models.JSONField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
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
            options={"constraints": [models.UniqueConstraint(fields=("tenant", "name"), name="one_alias_per_name")]},
        ),
        enable_rls("apis_modelalias"),
        migrations.AddField(
            model_name="plan",
            name="models",
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=161), default=list, size=None),
        ),
        migrations.AddField(model_name="plan", name="max_tokens", field=models.PositiveIntegerField(null=True)),
        migrations.AddField(model_name="plan", name="tokens_per_minute", field=models.PositiveIntegerField(null=True)),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=(models.Q(max_tokens=None) | models.Q(max_tokens__range=(1, 1_000_000_000)))
                & (models.Q(tokens_per_minute=None) | models.Q(tokens_per_minute__range=(1, 1_000_000_000))),
                name="tokens_of_a_plan_within_bounds",
            ),
        ),
    ]
