import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [("apis", "0032_how_requests_begin"), ("keys", "0005_applications_life"), ("tenants", "0007_sent_once")]

    operations = [
        migrations.AddField(model_name="plan", name="quota", field=models.PositiveBigIntegerField(null=True)),
        migrations.AddField(
            model_name="plan",
            name="quota_period",
            field=models.CharField(choices=[("day", "a day"), ("month", "a month")], default="month", max_length=5),
        ),
        migrations.AddField(model_name="plan", name="quota_time_zone", field=models.CharField(default="UTC", max_length=64)),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(("quota", None), models.Q(("quota__gt", 0), ("quota__lte", 10**12)), _connector="OR"),
                name="a_quota_within_bounds",
            ),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(("quota_period__in", ["day", "month"])), name="a_quota_of_a_day_or_a_month"
            ),
        ),
        migrations.CreateModel(
            name="QuotaUse",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("period", models.CharField(choices=[("day", "a day"), ("month", "a month")], max_length=5)),
                ("time_zone", models.CharField(max_length=64)),
                ("starts", models.DateTimeField()),
                ("ends", models.DateTimeField()),
                ("calls", models.PositiveBigIntegerField(default=0)),
                ("counted_at", models.DateTimeField(null=True)),
                ("topped_up", models.PositiveBigIntegerField(default=0)),
                ("warned", models.BooleanField(default=False)),
                ("refused_from", models.PositiveBigIntegerField(default=0)),
                ("api", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="apis.api")),
                (
                    "application",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="quota_uses", to="keys.application"),
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
                "indexes": [
                    models.Index(fields=["tenant", "ends"], name="quota_uses_by_end"),
                    models.Index(
                        condition=models.Q(("refused_from__gt", 0)), fields=["tenant", "ends"], name="quota_uses_that_are_refused"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "application", "api", "period", "time_zone", "starts"),
                        name="one_count_per_application_api_and_period",
                    ),
                    models.CheckConstraint(condition=models.Q(("ends__gt", models.F("starts"))), name="a_period_ends_after_it_began"),
                ],
            },
        ),
        enable_rls("apis_quotause"),
        same_tenant("apis_quotause", "application_id", "keys_application"),
        same_tenant("apis_quotause", "api_id", "apis_api"),
    ]
