import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Application",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80)),
                ("purpose", models.CharField(max_length=500)),
                ("environment", models.CharField(choices=[("live", "Live"), ("test", "Test")], default="live", max_length=4)),
                ("client_id", models.CharField(editable=False, max_length=40)),
                ("status", models.CharField(choices=[("active", "Active")], default="active", max_length=10)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("owner", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
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
            name="Credential",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("label", models.CharField(blank=True, max_length=80)),
                ("secret_hmac", models.CharField(max_length=64)),
                ("pepper_id", models.CharField(max_length=12)),
                ("last_four", models.CharField(max_length=4)),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("expiring", "Expiring"), ("expired", "Expired"), ("revoked", "Revoked")],
                        default="active",
                        max_length=10,
                    ),
                ),
                ("expires_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "application",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="credentials", to="keys.application"),
                ),
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
        ),
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("purpose", models.CharField(choices=[("access_token", "Access tokens")], default="access_token", max_length=20)),
                ("alg", models.CharField(max_length=10)),
                ("kid", models.CharField(max_length=43)),
                ("public_jwk", models.JSONField()),
                ("sealed", models.TextField(null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("published", "Published"),
                            ("active", "Active"),
                            ("retired", "Retired"),
                            ("removed", "Removed"),
                            ("compromised", "Compromised"),
                        ],
                        max_length=12,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("activated_at", models.DateTimeField(null=True)),
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
        migrations.AddConstraint(
            model_name="application",
            constraint=models.UniqueConstraint(fields=("tenant", "client_id"), name="one_application_per_client_id"),
        ),
        migrations.AddConstraint(
            model_name="application",
            constraint=models.UniqueConstraint(fields=("tenant", "owner", "name"), name="one_application_per_owner_and_name"),
        ),
        migrations.AddIndex(
            model_name="credential",
            index=models.Index(fields=["tenant", "application"], name="credentials_of_application"),
        ),
        migrations.AddConstraint(
            model_name="signingkey",
            constraint=models.UniqueConstraint(fields=("kid",), name="a_kid_is_never_used_again"),
        ),
        migrations.AddConstraint(
            model_name="signingkey",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "active")), fields=("tenant", "purpose"), name="one_active_key_per_purpose"
            ),
        ),
        migrations.AddConstraint(
            model_name="signingkey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("sealed__isnull", False), ("status__in", ["pending", "published", "active"])),
                    models.Q(("sealed__isnull", True), ("status__in", ["retired", "removed", "compromised"])),
                    _connector="OR",
                ),
                name="a_key_that_may_not_sign_has_no_private_half",
            ),
        ),
        enable_rls("keys_application"),
        enable_rls("keys_credential"),
        enable_rls("keys_signingkey"),
        same_tenant("keys_credential", "application_id", "keys_application"),
    ]
