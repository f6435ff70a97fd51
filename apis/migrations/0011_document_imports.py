import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0010_notes_of_revisions"),
        ("tenants", "0005_people"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(model_name="draft", name="large", field=models.JSONField(null=True)),
        migrations.CreateModel(
            name="DocumentImport",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("reading", "Being read"), ("ready", "Ready"), ("refused", "Refused")],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("progress", models.PositiveSmallIntegerField(default=0)),
                ("document", models.TextField()),
                ("told", models.JSONField(default=dict)),
                ("sealed", models.TextField(blank=True)),
                ("problems", models.JSONField(default=list)),
                ("refusal", models.TextField(blank=True)),
                ("owner", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
                (
                    "revision",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="apis.revision"),
                ),
                (
                    "version",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="apis.apiversion"),
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
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ("waiting", "reading"))), fields=("tenant", "owner"), name="one_import_per_person"
                    )
                ],
            },
        ),
        enable_rls("apis_documentimport"),
        same_tenant("apis_documentimport", "version_id", "apis_apiversion"),
        same_tenant("apis_documentimport", "revision_id", "apis_revision"),
    ]
