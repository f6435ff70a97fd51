import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant

TABLE = "gateway_usagealert"


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0036_plans_scopes"),
        ("gateway", "0012_usage"),
        ("keys", "0007_applications_wait"),
        ("tenants", "0012_usage_retention"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="UsageAlert",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("error_rate", "Many calls fail"),
                            ("p95", "Answers take long"),
                            ("no_traffic", "No calls any more"),
                        ],
                        max_length=10,
                    ),
                ),
                ("threshold", models.PositiveIntegerField(default=0)),
                ("minutes", models.PositiveSmallIntegerField()),
                ("fewest_calls", models.PositiveIntegerField(default=1)),
                ("cooldown_minutes", models.PositiveSmallIntegerField(default=30)),
                ("muted", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("opened_at", models.DateTimeField(null=True)),
                ("calm_since", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
                ("api", models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="apis.api")),
                (
                    "application",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="keys.application"),
                ),
                (
                    "created_by",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
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
                "verbose_name": "usage alert",
                "constraints": [
                    models.UniqueConstraint(
                        models.F("tenant"), django.db.models.functions.text.Lower("name"), name="one_usage_alert_per_name"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(kind__in=["error_rate", "p95", "no_traffic"]), name="an_alert_of_the_three_kinds"
                    ),
                    models.CheckConstraint(condition=models.Q(minutes__gte=1, minutes__lte=1_440), name="an_alert_looks_at_a_day_at_most"),
                    models.CheckConstraint(
                        condition=models.Q(calm_since=None) | models.Q(opened_at__isnull=False), name="calm_while_it_is_open"
                    ),
                ],
            },
        ),
        enable_rls(TABLE),
        same_tenant(TABLE, "api_id", "apis_api"),
        same_tenant(TABLE, "application_id", "keys_application"),
    ]
