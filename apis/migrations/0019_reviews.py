import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0018_change_log"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(model_name="api", name="needs_review", field=models.BooleanField(default=False)),
        migrations.CreateModel(
            name="Review",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Waiting"),
                            ("approved", "Approved"),
                            ("rejected", "Rejected"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("requested_at", models.DateTimeField()),
                ("note", models.CharField(blank=True, max_length=500)),
                ("decided_at", models.DateTimeField(null=True)),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "against",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="apis.revision"),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
                ),
                (
                    "revision",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="reviews", to="apis.revision"),
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
                        condition=models.Q(("status", "pending")), fields=("tenant", "revision"), name="one_review_at_a_time"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status__in", ("approved", "rejected")), _negated=True),
                            ("decided_by__isnull", False),
                            _connector="OR",
                        ),
                        name="somebody_decided_a_review",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "approved"), _negated=True),
                            models.Q(("decided_by", models.F("requested_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="nobody_approves_their_own",
                    ),
                ],
            },
        ),
        enable_rls("apis_review"),
        same_tenant("apis_review", "revision_id", "apis_revision"),
        same_tenant("apis_review", "against_id", "apis_revision"),
    ]
