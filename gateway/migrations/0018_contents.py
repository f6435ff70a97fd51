import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0044_content_logging"),
        ("gateway", "0017_tokens"),
        ("keys", "0007_applications_wait"),
        ("tenants", "0012_usage_retention"),
    ]

    operations = [
        migrations.CreateModel(
            name="LoggedContent",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("subscription", models.UUIDField()),
                ("at", models.DateTimeField()),
                ("request_id", models.CharField(max_length=64)),
                ("operation", models.CharField(blank=True, max_length=200)),
                ("asked", models.CharField(blank=True, max_length=200)),
                ("status", models.PositiveSmallIntegerField()),
                ("us", models.PositiveBigIntegerField()),
                ("request", models.BinaryField(null=True)),
                ("answer", models.BinaryField(null=True)),
                ("request_cut", models.BooleanField(default=False)),
                ("answer_cut", models.BooleanField(default=False)),
                ("streamed", models.BooleanField(default=False)),
                ("api", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="apis.api")),
                ("application", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="keys.application")),
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
                    models.Index(fields=["tenant", "api", "-id"], name="contents_of_api"),
                    models.Index(fields=["tenant", "application", "api", "-id"], name="contents_of_application"),
                    models.Index(fields=["tenant", "api", "at"], name="contents_by_age"),
                ],
            },
        ),
        enable_rls("gateway_loggedcontent"),
        same_tenant("gateway_loggedcontent", "api_id", "apis_api"),
        same_tenant("gateway_loggedcontent", "application_id", "keys_application"),
    ]
