from decimal import Decimal

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0037_plans_burst"),
        ("gateway", "0015_join_tokens_lead_to_groups"),
        ("tenants", "0012_usage_retention"),
    ]

    operations = [
        migrations.CreateModel(
            name="ShippingTenant",
            fields=[
                (
                    "tenant",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="tenants.tenant",
                    ),
                ),
                ("changed_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="LogShipping",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("enabled", models.BooleanField(default=False)),
                ("percent", models.DecimalField(decimal_places=2, default=Decimal(100), max_digits=5)),
                ("fields", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=20), size=None)),
                (
                    "request_headers",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=80), default=list, size=None),
                ),
                (
                    "response_headers",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=80), default=list, size=None),
                ),
                (
                    "masked_headers",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=80), default=list, size=None),
                ),
                (
                    "masked_paths",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), default=list, size=None),
                ),
                ("destination", models.CharField(choices=[("file", "File"), ("http", "HTTP"), ("otlp", "OTLP over HTTP")], max_length=4)),
                ("url", models.CharField(blank=True, max_length=500)),
                ("form", models.CharField(choices=[("lines", "A record per line"), ("array", "One array")], default="lines", max_length=5)),
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
                "verbose_name": "log shipping",
            },
        ),
        migrations.CreateModel(
            name="LogShippingState",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("sent", models.PositiveBigIntegerField(default=0)),
                ("sent_at", models.DateTimeField(null=True)),
                ("dropped", models.PositiveBigIntegerField(default=0)),
                ("dropped_at", models.DateTimeField(null=True)),
                ("failing_since", models.DateTimeField(null=True)),
                ("told", models.BooleanField(default=False)),
                ("trouble", models.CharField(blank=True, max_length=10)),
                ("answered", models.PositiveSmallIntegerField(null=True)),
                ("answer", models.CharField(blank=True, max_length=300)),
                ("trouble_at", models.DateTimeField(null=True)),
                ("test_asked_at", models.DateTimeField(null=True)),
                ("tested_at", models.DateTimeField(null=True)),
                ("test_trouble", models.CharField(blank=True, max_length=10)),
                ("test_answered", models.PositiveSmallIntegerField(null=True)),
                ("test_answer", models.CharField(blank=True, max_length=300)),
                (
                    "shipping",
                    models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name="state", to="gateway.logshipping"),
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
                "abstract": False,
            },
        ),
        migrations.AddConstraint(
            model_name="logshipping",
            constraint=models.UniqueConstraint(fields=("tenant", "api"), name="one_log_shipping_per_api"),
        ),
        migrations.AddConstraint(
            model_name="logshipping",
            constraint=models.CheckConstraint(condition=models.Q(("percent__gte", 0), ("percent__lte", 100)), name="a_share_of_calls"),
        ),
        migrations.AddConstraint(
            model_name="logshipping",
            constraint=models.CheckConstraint(
                condition=models.Q(("destination", "file"), models.Q(("url", ""), _negated=True), _connector="OR"),
                name="a_destination_has_an_address",
            ),
        ),
        enable_rls("gateway_logshipping"),
        enable_rls("gateway_logshippingstate"),
        same_tenant("gateway_logshipping", "api_id", "apis_api"),
        same_tenant("gateway_logshippingstate", "shipping_id", "gateway_logshipping"),
    ]
