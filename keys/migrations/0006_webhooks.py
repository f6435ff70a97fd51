import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0005_applications_life"),
        ("tenants", "0007_sent_once"),
    ]

    operations = [
        migrations.CreateModel(
            name="Webhook",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80)),
                ("url", models.CharField(max_length=500)),
                ("kinds", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), size=None)),
                ("enabled", models.BooleanField(default=True)),
                (
                    "disabled_why",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("person", "Switched off"),
                            ("gone", "It answered that it is gone"),
                            ("failing", "It took nothing for too long"),
                        ],
                        max_length=7,
                    ),
                ),
                ("sealed", models.TextField()),
                ("former_sealed", models.TextField(blank=True)),
                ("former_until", models.DateTimeField(null=True)),
                ("seen", models.PositiveBigIntegerField()),
                ("held_until", models.DateTimeField(null=True)),
                ("failing_since", models.DateTimeField(null=True)),
                ("succeeded_at", models.DateTimeField(null=True)),
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
            options={
                "verbose_name": "webhook",
            },
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("number", models.PositiveBigIntegerField(default=0)),
                ("kind", models.CharField(max_length=60)),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("delivered", "Delivered"), ("failed", "Failed")], default="waiting", max_length=9
                    ),
                ),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("next_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("event", models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.event")),
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
                ("webhook", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="deliveries", to="keys.webhook")),
            ],
        ),
        migrations.CreateModel(
            name="WebhookAttempt",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("took_ms", models.PositiveIntegerField()),
                ("answered", models.PositiveSmallIntegerField(null=True)),
                ("trouble", models.CharField(blank=True, max_length=10)),
                ("answer", models.CharField(blank=True, max_length=500)),
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
                    "delivery",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="attempts", to="keys.webhookdelivery"),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="webhook",
            constraint=models.UniqueConstraint(
                models.F("tenant"), django.db.models.functions.text.Lower("name"), name="one_webhook_per_name"
            ),
        ),
        migrations.AddConstraint(
            model_name="webhook",
            constraint=models.CheckConstraint(condition=models.Q(("kinds__len__gt", 0)), name="a_webhook_has_kinds"),
        ),
        migrations.AddConstraint(
            model_name="webhook",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("disabled_why", ""), ("enabled", True)),
                    models.Q(("enabled", False), models.Q(("disabled_why", ""), _negated=True)),
                    _connector="OR",
                ),
                name="a_disabled_webhook_says_why",
            ),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("state", "waiting")), fields=["tenant", "webhook", "number"], name="deliveries_that_wait"
            ),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(fields=["tenant", "webhook", "state"], name="deliveries_of_a_webhook"),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(fields=["tenant", "ended_at"], name="deliveries_by_their_end"),
        ),
        migrations.AddConstraint(
            model_name="webhookdelivery",
            constraint=models.UniqueConstraint(fields=("tenant", "webhook", "event"), name="one_delivery_per_event"),
        ),
        migrations.AddConstraint(
            model_name="webhookdelivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at", None), ("state", "waiting")),
                    models.Q(models.Q(("state", "waiting"), _negated=True), ("ended_at__isnull", False)),
                    _connector="OR",
                ),
                name="a_delivery_that_waits_has_not_ended",
            ),
        ),
        migrations.AddIndex(
            model_name="webhookattempt",
            index=models.Index(fields=["tenant", "delivery"], name="attempts_of_a_delivery"),
        ),
        enable_rls("keys_webhook"),
        enable_rls("keys_webhookdelivery"),
        enable_rls("keys_webhookattempt"),
        same_tenant("keys_webhookdelivery", "webhook_id", "keys_webhook"),
        same_tenant("keys_webhookdelivery", "event_id", "tenants_event"),
        same_tenant("keys_webhookattempt", "delivery_id", "keys_webhookdelivery"),
    ]
