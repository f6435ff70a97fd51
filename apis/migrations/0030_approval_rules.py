import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls


class Migration(migrations.Migration):
    dependencies = [("apis", "0029_plans_life")]

    operations = [
        migrations.CreateModel(
            name="ApprovalRule",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80)),
                ("outcome", models.CharField(choices=[("automatic", "Approve by itself"), ("people", "Ask a person")], max_length=9)),
                ("enabled", models.BooleanField(default=False)),
                ("environment", models.CharField(blank=True, choices=[("live", "Live"), ("test", "Test")], max_length=4)),
                ("most_per_minute", models.PositiveIntegerField(null=True)),
                ("reads_only", models.BooleanField(default=False)),
                ("own_team", models.BooleanField(default=False)),
                ("tags", models.JSONField(default=list)),
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
                "verbose_name": "approval rule",
                "constraints": [
                    models.UniqueConstraint(
                        models.F("tenant"), django.db.models.functions.text.Lower("name"), name="one_approval_rule_per_name"
                    ),
                    models.CheckConstraint(condition=models.Q(("outcome__in", ["automatic", "people"])), name="an_outcome_of_the_two"),
                ],
            },
        ),
        enable_rls("apis_approvalrule"),
    ]
