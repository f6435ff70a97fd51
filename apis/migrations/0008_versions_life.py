import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant

ID = models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)
CASCADE, PROTECT = django.db.models.deletion.CASCADE, django.db.models.deletion.PROTECT
STATES = ["created", "prerelease", "published", "blocked", "deprecated", "retired"]


def tenant() -> "models.ForeignKey[models.Model, models.Model]":
    return models.ForeignKey(
        default=tenants.scope.current_tenant_id, editable=False, on_delete=CASCADE, related_name="+", to="tenants.tenant"
    )


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0007_lists_of_subscriptions"),
        ("keys", "0004_identity_provider"),
        ("tenants", "0006_many_people"),
    ]

    operations = [
        migrations.AlterField(
            model_name="apiversion",
            name="status",
            field=models.CharField(choices=[(state, state.capitalize()) for state in STATES], default="created", max_length=12),
        ),
        migrations.AddField(model_name="apiversion", name="reason", field=models.CharField(blank=True, max_length=500)),
        migrations.AddField(model_name="apiversion", name="deprecated_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="apiversion", name="sunset_at", field=models.DateTimeField(null=True)),
        migrations.AddField(
            model_name="apiversion",
            name="successor",
            field=models.ForeignKey(null=True, on_delete=PROTECT, related_name="+", to="apis.apiversion"),
        ),
        same_tenant("apis_apiversion", "successor_id", "apis_apiversion"),
        migrations.AddConstraint(
            model_name="apiversion",
            constraint=models.CheckConstraint(
                condition=models.Q(sunset_at=None) | models.Q(sunset_at__gte=models.F("deprecated_at"), deprecated_at__isnull=False),
                name="a_sunset_comes_after_the_deprecation",
            ),
        ),
        migrations.AddConstraint(
            model_name="apiversion",
            constraint=models.CheckConstraint(
                condition=~models.Q(status="deprecated") | models.Q(deprecated_at__isnull=False), name="deprecated_since_some_day"
            ),
        ),
        migrations.AddConstraint(
            model_name="apiversion",
            constraint=models.CheckConstraint(
                condition=models.Q(successor=None) | ~models.Q(successor=models.F("id")), name="no_version_succeeds_itself"
            ),
        ),
        migrations.CreateModel(
            name="BrownOut",
            fields=[
                ("id", ID),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                (
                    "status",
                    models.CharField(
                        choices=[("planned", "Planned"), ("running", "Running"), ("over", "Over"), ("cancelled", "Cancelled")],
                        default="planned",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("created_by", models.ForeignKey(null=True, on_delete=PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
                ("tenant", tenant()),
                ("version", models.ForeignKey(on_delete=CASCADE, related_name="brown_outs", to="apis.apiversion")),
            ],
            options={
                "verbose_name": "brown out",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("starts_at")), name="a_brown_out_takes_some_time")
                ],
            },
        ),
        enable_rls("apis_brownout"),
        same_tenant("apis_brownout", "version_id", "apis_apiversion"),
        migrations.CreateModel(
            name="Acknowledgement",
            fields=[
                ("id", ID),
                ("at", models.DateTimeField()),
                ("application", models.ForeignKey(on_delete=CASCADE, related_name="acknowledgements", to="keys.application")),
                ("by", models.ForeignKey(on_delete=PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
                ("tenant", tenant()),
                ("version", models.ForeignKey(on_delete=CASCADE, related_name="acknowledgements", to="apis.apiversion")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "version", "application"), name="one_acknowledgement_per_application")
                ],
            },
        ),
        enable_rls("apis_acknowledgement"),
        same_tenant("apis_acknowledgement", "version_id", "apis_apiversion"),
        same_tenant("apis_acknowledgement", "application_id", "keys_application"),
        migrations.CreateModel(
            name="OperationUse",
            fields=[
                ("id", ID),
                ("operation_id", models.CharField(max_length=200)),
                ("day", models.DateField()),
                ("calls", models.PositiveBigIntegerField(default=0)),
                ("last_at", models.DateTimeField()),
                ("application", models.ForeignKey(on_delete=CASCADE, related_name="operation_uses", to="keys.application")),
                ("tenant", tenant()),
                ("version", models.ForeignKey(on_delete=CASCADE, related_name="operation_uses", to="apis.apiversion")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "version", "application", "operation_id", "day"), name="one_use_per_operation_and_day"
                    )
                ],
            },
        ),
        enable_rls("apis_operationuse"),
        same_tenant("apis_operationuse", "version_id", "apis_apiversion"),
        same_tenant("apis_operationuse", "application_id", "keys_application"),
    ]
