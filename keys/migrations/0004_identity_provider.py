import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0003_people"),
        ("tenants", "0005_people"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Identity",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("issuer", models.CharField(max_length=500)),
                ("subject", models.CharField(max_length=255)),
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
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "issuer", "subject"), name="one_person_per_identity"),
                    models.UniqueConstraint(fields=("tenant", "issuer", "user"), name="one_identity_per_person"),
                ],
            },
        ),
        migrations.CreateModel(
            name="IdentityProvider",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("issuer", models.CharField(max_length=500)),
                ("client_id", models.CharField(max_length=190)),
                ("sealed", models.TextField()),
                ("enabled", models.BooleanField(default=False)),
                (
                    "joins_as",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("admin", "Admin"),
                            ("publisher", "Publisher"),
                            ("approver", "Approver"),
                            ("developer", "Developer"),
                            ("auditor", "Auditor"),
                        ],
                        max_length=20,
                    ),
                ),
                ("era", models.UUIDField(default=tenants.models.base.new_id)),
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
                "verbose_name": "identity provider",
                "constraints": [models.UniqueConstraint(fields=("tenant",), name="one_identity_provider_per_tenant")],
            },
        ),
        enable_rls("keys_identity"),
        enable_rls("keys_identityprovider"),
    ]
