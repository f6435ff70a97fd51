import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [("apis", "0016_policies"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.AddField(model_name="documentimport", name="url", field=models.CharField(blank=True, max_length=500)),
        migrations.CreateModel(
            name="DocumentSource",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("url", models.CharField(max_length=500)),
                (
                    "every",
                    models.CharField(
                        choices=[("hourly", "Every hour"), ("daily", "Every day"), ("weekly", "Every week")], default="daily", max_length=10
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                ("etag", models.CharField(blank=True, max_length=200)),
                ("digest", models.CharField(blank=True, max_length=64)),
                ("looked_at", models.DateTimeField(null=True)),
                ("next_at", models.DateTimeField(null=True)),
                (
                    "result",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("same", "Unchanged"),
                            ("found", "New revision"),
                            ("not_fetched", "Not fetched"),
                            ("unreadable", "Can't be read"),
                            ("no_upstream", "Upstream refused"),
                            ("stopped", "Stopped"),
                        ],
                        max_length=12,
                    ),
                ),
                ("told", models.JSONField(default=dict)),
                ("failures", models.PositiveSmallIntegerField(default=0)),
                ("set_by", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
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
                (
                    "version",
                    models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name="source", to="apis.apiversion"),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("enabled", True), ("next_at__isnull", False)) | models.Q(("enabled", False), ("next_at", None)),
                        name="an_enabled_source_has_a_next_time",
                    )
                ],
            },
        ),
        enable_rls("apis_documentsource"),
        same_tenant("apis_documentsource", "version_id", "apis_apiversion"),
    ]
