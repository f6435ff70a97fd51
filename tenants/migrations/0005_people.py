from typing import Any

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant
from tenants.scope import tenant_scope


def begin_now(apps: Any, _: Any) -> None:
    """Nobody is told what happened before there were inboxes. Mails that wait for their server are sent."""
    counters, due = apps.get_model("tenants", "EventCounter").objects, apps.get_model("tenants", "Due").objects
    waits = set(due.filter(job="send_mails").values_list("tenant_id", flat=True))
    for tenant in apps.get_model("tenants", "Tenant").objects.all():
        with tenant_scope(tenant.pk):
            now = {"told": models.F("number")} | ({} if tenant.pk in waits else {"mailed": models.F("number")})
            counters.filter(tenant=tenant).update(**now)


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0004_audit"),
        ("account", "0009_emailaddress_unique_primary_email"),
    ]

    operations = [
        migrations.CreateModel(
            name="CustomRole",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=40)),
                ("description", models.CharField(blank=True, max_length=200)),
                (
                    "permissions",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), default=list, size=None),
                ),
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
                "verbose_name": "role",
            },
        ),
        migrations.RemoveConstraint(
            model_name="membership",
            name="membership_has_a_role",
        ),
        migrations.AddField(
            model_name="membership",
            name="custom_roles",
            field=django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), default=list, size=None),
        ),
        migrations.AddField(
            model_name="tenant",
            name="accent",
            field=models.CharField(
                choices=[
                    ("teal", "Teal"),
                    ("blue", "Blue"),
                    ("indigo", "Indigo"),
                    ("violet", "Violet"),
                    ("pink", "Pink"),
                    ("orange", "Orange"),
                    ("green", "Green"),
                    ("slate", "Slate"),
                ],
                default="teal",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="tenant",
            name="logo_digest",
            field=models.CharField(blank=True, max_length=16),
        ),
        migrations.AddField(
            model_name="tenant",
            name="erase_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="tenant",
            name="status_why",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name="user",
            name="is_service",
            field=models.BooleanField(default=False),
        ),
        migrations.CreateModel(
            name="AccountMail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=40)),
                ("email", models.EmailField(max_length=254)),
                ("language", models.CharField(blank=True, max_length=10)),
                ("data", models.JSONField(default=dict)),
                ("at", models.DateTimeField()),
                ("tries", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="ErasedTenant",
            fields=[
                ("tenant_id", models.UUIDField(primary_key=True, serialize=False)),
                ("slug", models.CharField(max_length=40, unique=True)),
                ("erased_at", models.DateTimeField(auto_now_add=True)),
                ("certificate", models.TextField(blank=True)),
            ],
        ),
        migrations.CreateModel(
            name="JobRun",
            fields=[
                ("name", models.CharField(max_length=80, primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("took", models.FloatField(null=True)),
                ("runs", models.PositiveBigIntegerField(default=0)),
                ("failures", models.PositiveBigIntegerField(default=0)),
                ("failed_at", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name="PlatformSettings",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "tenants_by",
                    models.CharField(
                        choices=[("operators", "Platform operators"), ("everybody", "Everybody who has signed in")],
                        default="operators",
                        max_length=10,
                    ),
                ),
                (
                    "sign_up",
                    models.CharField(
                        choices=[
                            ("invitation", "By invitation only"),
                            ("domains", "Whoever has an address of these domains"),
                            ("open", "Everybody"),
                        ],
                        default="invitation",
                        max_length=10,
                    ),
                ),
                (
                    "sign_up_domains",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=253), default=list, size=None),
                ),
            ],
            options={
                "verbose_name": "platform settings",
            },
        ),
        migrations.CreateModel(
            name="TenantSize",
            fields=[
                (
                    "tenant",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="size",
                        serialize=False,
                        to="tenants.tenant",
                    ),
                ),
                ("members", models.PositiveIntegerField(default=0)),
                ("apis", models.PositiveIntegerField(default=0)),
                ("applications", models.PositiveIntegerField(default=0)),
                ("subscriptions", models.PositiveIntegerField(default=0)),
                ("events", models.PositiveBigIntegerField(default=0)),
                ("measured_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Team",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80)),
                ("description", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("lead", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.membership")),
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
                "verbose_name": "team",
            },
        ),
        migrations.CreateModel(
            name="TeamMember",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                (
                    "membership",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="teams", to="tenants.membership"),
                ),
                ("team", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="people", to="tenants.team")),
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
            name="Invitation",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("email", models.EmailField(max_length=254)),
                (
                    "roles",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("admin", "Admin"),
                                ("publisher", "Publisher"),
                                ("approver", "Approver"),
                                ("developer", "Developer"),
                                ("auditor", "Auditor"),
                            ],
                            max_length=20,
                        ),
                        default=list,
                        size=None,
                    ),
                ),
                ("custom_roles", django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), default=list, size=None)),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("accepted", "Accepted"), ("revoked", "Revoked"), ("expired", "Expired")],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("nonce", models.CharField(max_length=32)),
                ("expires_at", models.DateTimeField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "accepted_by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "invited_by",
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
                ("team", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="tenants.team")),
            ],
            options={
                "verbose_name": "invitation",
            },
        ),
        migrations.CreateModel(
            name="ServiceAccount",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80)),
                ("description", models.CharField(blank=True, max_length=200)),
                (
                    "permissions",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), default=list, size=None),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("revoked", "Revoked"), ("expired", "Expired")], default="active", max_length=10
                    ),
                ),
                ("secret_hmac", models.CharField(max_length=64)),
                ("pepper_id", models.CharField(max_length=12)),
                ("last_four", models.CharField(max_length=4)),
                ("former_hmac", models.CharField(blank=True, max_length=64)),
                ("former_until", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField()),
                ("warned_days", models.PositiveSmallIntegerField(null=True)),
                ("last_used_at", models.DateTimeField(null=True)),
                ("people", django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), default=list, size=None)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "created_by",
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
                ("user", models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "verbose_name": "service account",
            },
        ),
        migrations.CreateModel(
            name="Notification",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("read_at", models.DateTimeField(null=True)),
                ("in_inbox", models.BooleanField(default=True)),
                ("in_digest", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("event", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.event")),
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
        ),
        migrations.CreateModel(
            name="NotificationPreference",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("group", models.CharField(max_length=40)),
                ("inbox", models.BooleanField(default=True)),
                (
                    "mail",
                    models.CharField(
                        choices=[("at_once", "At once"), ("digest", "Daily digest"), ("never", "Never")], default="at_once", max_length=8
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
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name="TenantSettings",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("support_address", models.EmailField(blank=True, max_length=254)),
                ("logo", models.BinaryField(blank=True, default=b"")),
                (
                    "catalogue",
                    models.CharField(choices=[("members", "Members only"), ("public", "Everybody")], default="members", max_length=8),
                ),
                (
                    "sign_up",
                    models.CharField(
                        choices=[
                            ("invitation", "By invitation only"),
                            ("domains", "Whoever has an address of these domains"),
                            ("open", "Everybody"),
                        ],
                        default="invitation",
                        max_length=10,
                    ),
                ),
                (
                    "sign_up_domains",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=253), default=list, size=None),
                ),
                (
                    "sign_up_role",
                    models.CharField(
                        choices=[
                            ("admin", "Admin"),
                            ("publisher", "Publisher"),
                            ("approver", "Approver"),
                            ("developer", "Developer"),
                            ("auditor", "Auditor"),
                        ],
                        default="developer",
                        max_length=20,
                    ),
                ),
                ("mfa_required", models.BooleanField(default=False)),
                ("approval_by_people", models.BooleanField(default=True)),
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
                "verbose_name": "tenant settings",
            },
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.CheckConstraint(
                condition=models.Q(("roles__len__gt", 0), ("custom_roles__len__gt", 0), _connector="OR"), name="membership_has_a_role"
            ),
        ),
        migrations.AddConstraint(
            model_name="platformsettings",
            constraint=models.CheckConstraint(condition=models.Q(("id", 1)), name="one_row_of_platform_settings"),
        ),
        migrations.AddIndex(
            model_name="accountmail",
            index=models.Index(fields=["at"], name="account_mails_by_time"),
        ),
        migrations.AddConstraint(
            model_name="customrole",
            constraint=models.UniqueConstraint(
                models.F("tenant"), django.db.models.functions.text.Lower("name"), name="one_custom_role_per_name"
            ),
        ),
        migrations.AddConstraint(
            model_name="customrole",
            constraint=models.CheckConstraint(condition=models.Q(("permissions__len__gt", 0)), name="custom_role_has_a_permission"),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(fields=["tenant", "user", "-id"], name="an_inbox"),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                condition=models.Q(("in_inbox", True), ("read_at", None)), fields=["tenant", "user"], name="unread_in_an_inbox"
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(condition=models.Q(("in_digest", True)), fields=["tenant", "user"], name="waits_for_a_digest"),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(fields=["tenant", "created_at"], name="notifications_by_age"),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.UniqueConstraint(fields=("tenant", "user", "event"), name="one_notification_per_person_and_event"),
        ),
        migrations.AddConstraint(
            model_name="notificationpreference",
            constraint=models.UniqueConstraint(fields=("tenant", "user", "group"), name="one_preference_per_group"),
        ),
        migrations.AddConstraint(
            model_name="serviceaccount",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "active")), fields=("tenant", "name"), name="one_active_service_account_per_name"
            ),
        ),
        migrations.AddConstraint(
            model_name="serviceaccount",
            constraint=models.CheckConstraint(condition=models.Q(("permissions__len__gt", 0)), name="service_account_has_a_permission"),
        ),
        migrations.AddConstraint(
            model_name="team",
            constraint=models.UniqueConstraint(models.F("tenant"), django.db.models.functions.text.Lower("name"), name="one_team_per_name"),
        ),
        migrations.AddIndex(
            model_name="invitation",
            index=models.Index(condition=models.Q(("status", "pending")), fields=["tenant", "expires_at"], name="open_invitations_by_end"),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "pending")), fields=("tenant", "email"), name="one_open_invitation_per_address"
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(("roles__len__gt", 0), ("custom_roles__len__gt", 0), _connector="OR"), name="invitation_has_a_role"
            ),
        ),
        migrations.AddConstraint(
            model_name="teammember",
            constraint=models.UniqueConstraint(fields=("tenant", "team", "membership"), name="in_a_team_once"),
        ),
        migrations.AddConstraint(
            model_name="tenantsettings",
            constraint=models.UniqueConstraint(fields=("tenant",), name="one_settings_row_per_tenant"),
        ),
        migrations.RunSQL(
            "INSERT INTO tenants_due (tenant_id, job, at) SELECT id, 'measure_tenants', now() FROM tenants_tenant ON CONFLICT DO NOTHING;",
            migrations.RunSQL.noop,
        ),
        # Before row security: the owner, too, would see no rows outside a scope.
        migrations.RunSQL(
            """
            INSERT INTO tenants_tenantsettings (id, tenant_id, support_address, logo, catalogue, sign_up, sign_up_domains,
                    sign_up_role, mfa_required, approval_by_people)
                SELECT gen_random_uuid(), id, '', '', 'members', 'invitation', '{}', 'developer', false, true FROM tenants_tenant;
            """,
            migrations.RunSQL.noop,
        ),
        *(
            enable_rls(f"tenants_{table}")
            for table in (
                "customrole",
                "team",
                "teammember",
                "invitation",
                "serviceaccount",
                "notification",
                "notificationpreference",
                "tenantsettings",
            )
        ),
        same_tenant("tenants_team", "lead_id", "tenants_membership"),
        same_tenant("tenants_teammember", "team_id", "tenants_team"),
        same_tenant("tenants_teammember", "membership_id", "tenants_membership"),
        same_tenant("tenants_invitation", "team_id", "tenants_team"),
        same_tenant("tenants_notification", "event_id", "tenants_event"),
        migrations.AddField("eventcounter", "told", models.PositiveBigIntegerField(default=0)),
        migrations.RunPython(begin_now, migrations.RunPython.noop),
        # Whoever was here before addresses were verified goes on as before.
        migrations.RunSQL(
            """
            INSERT INTO account_emailaddress (user_id, email, verified, "primary")
                SELECT id, email, true, true FROM tenants_user
                WHERE NOT EXISTS (SELECT FROM account_emailaddress WHERE user_id = tenants_user.id);
            """,
            migrations.RunSQL.noop,
        ),
    ]
