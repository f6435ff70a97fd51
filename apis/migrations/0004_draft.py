import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0003_undo"),
        ("tenants", "0003_mailed"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Draft",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("changed_at", models.DateTimeField()),
                ("document", models.TextField()),
                ("problems", models.JSONField(default=list)),
                ("outline", models.JSONField(null=True)),
                ("name", models.CharField(blank=True, max_length=80)),
                ("slug", models.CharField(blank=True, max_length=40)),
                ("description", models.TextField(blank=True, max_length=5000)),
                ("upstream", models.CharField(blank=True, max_length=800)),
                ("connect_timeout_ms", models.PositiveIntegerField(default=5000)),
                ("timeout_ms", models.PositiveIntegerField(default=30000)),
                ("header", models.CharField(blank=True, max_length=80)),
                ("sealed", models.TextField(blank=True)),
                (
                    "addresses",
                    django.contrib.postgres.fields.ArrayField(base_field=models.GenericIPAddressField(), default=list, size=None),
                ),
                ("owner", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
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
                    models.UniqueConstraint(fields=("tenant", "owner"), name="one_draft_per_person"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("header", ""), ("sealed", "")),
                            models.Q(models.Q(("header", ""), _negated=True), models.Q(("sealed", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="a_drafts_header_has_its_secret",
                    ),
                ],
            },
        ),
        enable_rls("apis_draft"),
    ]
