import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls


class Migration(migrations.Migration):
    dependencies = [("tenants", "0006_many_people")]

    operations = [
        migrations.CreateModel(
            name="SentOnce",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("key", models.CharField(max_length=128)),
                ("request", models.CharField(max_length=64)),
                ("http_status", models.PositiveSmallIntegerField(default=0)),
                ("answer", models.TextField(null=True)),
                ("location", models.CharField(blank=True, max_length=500)),
                ("at", models.DateTimeField()),
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
                    "user",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["tenant", "at"], name="sent_once_by_age")],
                "constraints": [models.UniqueConstraint(fields=("tenant", "user", "key"), name="one_request_per_idempotency_key")],
            },
        ),
        enable_rls("tenants_sentonce"),
    ]
