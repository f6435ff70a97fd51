import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0043_mcp_servers"),
        ("tenants", "0012_usage_retention"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ContentConsent",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("version", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
                ("withdrawn_at", models.DateTimeField(null=True)),
                ("by", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
                ("subscription", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="apis.subscription")),
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
                "constraints": [models.UniqueConstraint(fields=("tenant", "subscription"), name="one_consent_per_subscription")],
            },
        ),
        migrations.CreateModel(
            name="ContentLogging",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("enabled", models.BooleanField(default=False)),
                ("requests", models.BooleanField(default=True)),
                ("answers", models.BooleanField(default=True)),
                ("days", models.PositiveSmallIntegerField(default=30)),
                ("consent", models.TextField(max_length=2000)),
                ("version", models.PositiveIntegerField(default=1)),
                ("sealed", models.TextField(blank=True)),
                ("api", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="apis.api")),
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
                "verbose_name": "content logging",
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "api"), name="one_content_logging_per_api"),
                    models.CheckConstraint(condition=models.Q(("days__gte", 1), ("days__lte", 365)), name="days_of_contents"),
                    models.CheckConstraint(
                        condition=models.Q(("enabled", False), models.Q(("consent", ""), _negated=True), _connector="OR"),
                        name="contents_are_agreed_to",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("requests", True), ("answers", True), _connector="OR"), name="some_contents"
                    ),
                ],
            },
        ),
        enable_rls("apis_contentlogging"),
        enable_rls("apis_contentconsent"),
        same_tenant("apis_contentlogging", "api_id", "apis_api"),
        same_tenant("apis_contentconsent", "subscription_id", "apis_subscription"),
    ]
