import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0037_plans_burst"),
        ("tenants", "0012_usage_retention"),
    ]

    operations = [
        migrations.CreateModel(
            name="Provider",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "slug",
                    models.CharField(
                        max_length=40,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9](?:-?[a-z0-9])*\\Z",
                                "Use lower-case letters, digits and single hyphens, for example “orders-eu”.",
                                "invalid_slug",
                            )
                        ],
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                ("kind", models.CharField(max_length=20)),
                ("scheme", models.CharField(max_length=5)),
                ("host", models.CharField(max_length=253)),
                ("port", models.PositiveIntegerField()),
                ("path", models.CharField(blank=True, max_length=500)),
                ("dialects", models.JSONField()),
                ("first_byte_ms", models.PositiveIntegerField(default=30000)),
                ("silence_ms", models.PositiveIntegerField(default=60000)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
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
        ),
        migrations.CreateModel(
            name="ProviderKey",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("label", models.CharField(max_length=80)),
                ("sealed", models.TextField()),
                ("last_four", models.CharField(blank=True, max_length=4)),
                ("priority", models.PositiveSmallIntegerField(default=1)),
                ("weight", models.PositiveSmallIntegerField(default=1)),
                (
                    "state",
                    models.CharField(
                        choices=[("on", "On"), ("off", "Off"), ("exhausted", "Used up"), ("refused", "Refused"), ("failing", "Failing")],
                        default="on",
                        max_length=9,
                    ),
                ),
                ("state_since", models.DateTimeField()),
                ("state_reason", models.CharField(blank=True, max_length=10)),
                ("answered", models.PositiveSmallIntegerField(null=True)),
                ("tested_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("provider", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="keys", to="apis.provider")),
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
        ),
        migrations.CreateModel(
            name="ProviderModel",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=120)),
                ("context", models.PositiveIntegerField(null=True)),
                ("input", models.DecimalField(decimal_places=6, max_digits=12, null=True)),
                ("output", models.DecimalField(decimal_places=6, max_digits=12, null=True)),
                ("cached", models.DecimalField(decimal_places=6, max_digits=12, null=True)),
                ("currency", models.CharField(max_length=3)),
                ("prices_since", models.DateTimeField()),
                ("provider", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="models", to="apis.provider")),
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
        ),
        migrations.CreateModel(
            name="FormerPrice",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("input", models.DecimalField(decimal_places=6, max_digits=12, null=True)),
                ("output", models.DecimalField(decimal_places=6, max_digits=12, null=True)),
                ("cached", models.DecimalField(decimal_places=6, max_digits=12, null=True)),
                ("currency", models.CharField(max_length=3)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
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
                    "model",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="former_prices", to="apis.providermodel"),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="provider",
            constraint=models.UniqueConstraint(fields=("tenant", "slug"), name="one_provider_per_slug"),
        ),
        migrations.AddConstraint(
            model_name="providerkey",
            constraint=models.UniqueConstraint(
                models.F("tenant"), models.F("provider"), django.db.models.functions.text.Lower("label"), name="one_provider_key_per_label"
            ),
        ),
        migrations.AddConstraint(
            model_name="providerkey",
            constraint=models.CheckConstraint(
                condition=models.Q(("priority__range", (1, 9))), name="a_provider_keys_priority_within_bounds"
            ),
        ),
        migrations.AddConstraint(
            model_name="providerkey",
            constraint=models.CheckConstraint(condition=models.Q(("weight__range", (1, 100))), name="a_provider_keys_weight_within_bounds"),
        ),
        migrations.AddConstraint(
            model_name="providermodel",
            constraint=models.UniqueConstraint(fields=("tenant", "provider", "name"), name="one_provider_model_per_name"),
        ),
        migrations.AddConstraint(
            model_name="providermodel",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("input", None), ("input__gte", 0), _connector="OR"),
                    models.Q(("output", None), ("output__gte", 0), _connector="OR"),
                    models.Q(("cached", None), ("cached__gte", 0), _connector="OR"),
                ),
                name="a_price_is_not_below_nothing",
            ),
        ),
        migrations.AddIndex(
            model_name="formerprice",
            index=models.Index(fields=["tenant", "model", "since"], name="former_prices_of_a_model"),
        ),
        enable_rls("apis_provider"),
        enable_rls("apis_providerkey"),
        enable_rls("apis_providermodel"),
        enable_rls("apis_formerprice"),
        same_tenant("apis_providerkey", "provider_id", "apis_provider"),
        same_tenant("apis_providermodel", "provider_id", "apis_provider"),
        same_tenant("apis_formerprice", "model_id", "apis_providermodel"),
    ]
