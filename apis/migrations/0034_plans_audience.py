import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [("apis", "0033_quotas"), ("tenants", "0007_sent_once")]

    operations = [
        migrations.AddField(
            "plan",
            "visibility",
            models.CharField(choices=[("all", "Everybody who sees the API"), ("teams", "Some teams")], default="all", max_length=5),
        ),
        migrations.AddConstraint(
            "plan",
            models.CheckConstraint(condition=models.Q(("visibility__in", ["all", "teams"])), name="a_plans_visibility_of_the_two"),
        ),
        migrations.AlterField(
            "plan",
            "approval",
            models.CharField(
                choices=[
                    ("manual", "An approver decides"),
                    ("two_people", "Two approvers decide"),
                    ("tests", "Approved at once for test applications; an approver decides for live ones"),
                    ("automatic", "Approved at once"),
                ],
                default="manual",
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="PlanTeam",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("plan", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="audience", to="apis.plan")),
                ("team", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.team")),
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
            options={"constraints": [models.UniqueConstraint(fields=("tenant", "plan", "team"), name="sees_a_plan_once")]},
        ),
        enable_rls("apis_planteam"),
        same_tenant("apis_planteam", "plan_id", "apis_plan"),
        same_tenant("apis_planteam", "team_id", "tenants_team"),
    ]
