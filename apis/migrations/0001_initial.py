import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("keys", "0001_initial"),
        ("tenants", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Api",
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
                ("description", models.TextField(blank=True, max_length=5000)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
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
                "verbose_name": "api",
            },
        ),
        migrations.CreateModel(
            name="ApiVersion",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=20)),
                (
                    "status",
                    models.CharField(choices=[("created", "Created"), ("published", "Published")], default="created", max_length=12),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("api", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="versions", to="apis.api")),
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
                "verbose_name": "version",
            },
        ),
        migrations.CreateModel(
            name="Plan",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=40)),
                ("calls", models.PositiveIntegerField()),
                ("seconds", models.PositiveIntegerField()),
                (
                    "approval",
                    models.CharField(
                        choices=[("manual", "An approver decides"), ("automatic", "Approved at once")], default="manual", max_length=10
                    ),
                ),
                (
                    "status",
                    models.CharField(choices=[("staging", "Staging"), ("published", "Published")], default="staging", max_length=10),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("api", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="plans", to="apis.api")),
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
            name="Revision",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("number", models.PositiveIntegerField()),
                ("document", models.JSONField()),
                ("note", models.CharField(blank=True, max_length=500)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
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
                ("version", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="revisions", to="apis.apiversion")),
            ],
        ),
        migrations.CreateModel(
            name="Operation",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("operation_id", models.CharField(max_length=200)),
                ("method", models.CharField(max_length=10)),
                ("path", models.CharField(max_length=1000)),
                ("summary", models.CharField(blank=True, max_length=200)),
                ("deprecated", models.BooleanField(default=False)),
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
                ("revision", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="operations", to="apis.revision")),
            ],
        ),
        migrations.AddField(
            model_name="apiversion",
            name="live_revision",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="live_in", to="apis.revision"),
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("purpose", models.CharField(max_length=500)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("active", "Active"),
                            ("suspended", "Suspended"),
                            ("rejected", "Rejected"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("requested_at", models.DateTimeField(auto_now_add=True)),
                ("decided_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("api", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="subscriptions", to="apis.api")),
                (
                    "application",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="subscriptions", to="keys.application"),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("plan", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="subscriptions", to="apis.plan")),
                (
                    "requested_by",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
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
        ),
        migrations.CreateModel(
            name="Upstream",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("scheme", models.CharField(choices=[("http", "http"), ("https", "https")], max_length=5)),
                ("host", models.CharField(max_length=253)),
                ("port", models.PositiveIntegerField()),
                ("path", models.CharField(blank=True, max_length=500)),
                ("connect_timeout_ms", models.PositiveIntegerField(default=5000)),
                ("timeout_ms", models.PositiveIntegerField(default=30000)),
                ("header", models.CharField(blank=True, max_length=80)),
                ("sealed", models.TextField(blank=True)),
                (
                    "addresses",
                    django.contrib.postgres.fields.ArrayField(base_field=models.GenericIPAddressField(), default=list, size=None),
                ),
                ("resolved_at", models.DateTimeField()),
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
        migrations.AddField(
            model_name="revision",
            name="upstream",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="revisions", to="apis.upstream"),
        ),
        migrations.AddConstraint(
            model_name="api",
            constraint=models.UniqueConstraint(fields=("tenant", "slug"), name="one_api_per_slug"),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.UniqueConstraint(fields=("tenant", "api", "name"), name="one_plan_per_name"),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(condition=models.Q(("calls__gt", 0), ("seconds__gt", 0)), name="a_plan_allows_something"),
        ),
        migrations.AddConstraint(
            model_name="operation",
            constraint=models.UniqueConstraint(fields=("tenant", "revision", "operation_id"), name="one_operation_per_id"),
        ),
        migrations.AddConstraint(
            model_name="apiversion",
            constraint=models.UniqueConstraint(fields=("tenant", "api", "name"), name="one_version_per_name"),
        ),
        migrations.AddIndex(
            model_name="subscription",
            index=models.Index(fields=["tenant", "status"], name="subscriptions_by_status"),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["pending", "active", "suspended"])),
                fields=("tenant", "application", "api"),
                name="one_open_subscription_per_application_and_api",
            ),
        ),
        migrations.AddConstraint(
            model_name="upstream",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("header", ""), ("sealed", "")),
                    models.Q(models.Q(("header", ""), _negated=True), models.Q(("sealed", ""), _negated=True)),
                    _connector="OR",
                ),
                name="an_injected_header_has_its_secret",
            ),
        ),
        migrations.AddConstraint(
            model_name="revision",
            constraint=models.UniqueConstraint(fields=("tenant", "version", "number"), name="one_revision_per_number"),
        ),
        enable_rls("apis_upstream"),
        enable_rls("apis_api"),
        enable_rls("apis_apiversion"),
        enable_rls("apis_revision"),
        enable_rls("apis_operation"),
        enable_rls("apis_plan"),
        enable_rls("apis_subscription"),
        same_tenant("apis_apiversion", "api_id", "apis_api"),
        same_tenant("apis_apiversion", "live_revision_id", "apis_revision"),
        same_tenant("apis_revision", "version_id", "apis_apiversion"),
        same_tenant("apis_revision", "upstream_id", "apis_upstream"),
        same_tenant("apis_operation", "revision_id", "apis_revision"),
        same_tenant("apis_plan", "api_id", "apis_api"),
        same_tenant("apis_subscription", "application_id", "keys_application"),
        same_tenant("apis_subscription", "api_id", "apis_api"),
        same_tenant("apis_subscription", "plan_id", "apis_plan"),
    ]
