import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant

_GRANTS = [
    ("pending", "Pending"),
    ("active", "Active"),
    ("suspended", "Suspended"),
    ("rejected", "Rejected"),
    ("cancelled", "Cancelled"),
    ("expired", "Expired"),
]
_CHANGES = [("pending", "Waiting"), ("approved", "Approved"), ("rejected", "Rejected"), ("withdrawn", "Withdrawn")]


def _person(*, null: bool = False) -> models.ForeignKey:  # type: ignore[type-arg]
    return models.ForeignKey(null=null, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)


def _plan() -> models.ForeignKey:  # type: ignore[type-arg]
    return models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="apis.plan")


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0034_plans_audience"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(model_name="plan", name="trial_days", field=models.PositiveSmallIntegerField(null=True)),
        migrations.AddField(model_name="subscription", name="starts_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="subscription", name="ends_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="subscription", name="started_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="subscription", name="trial_until", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="subscription", name="warned_days", field=models.PositiveSmallIntegerField(null=True)),
        migrations.AlterField(
            model_name="subscription", name="status", field=models.CharField(choices=_GRANTS, default="pending", max_length=10)
        ),
        migrations.AddIndex(
            model_name="subscription",
            index=models.Index(
                condition=models.Q(("ends_at__isnull", False), ("status__in", ["pending", "active", "suspended"])),
                fields=["tenant", "ends_at", "id"],
                name="subscriptions_by_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(("trial_days", None), ("trial_days__range", (1, 365)), _connector="OR"), name="a_trial_has_some_days"
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(("starts_at", None), ("ends_at", None), ("ends_at__gt", models.F("starts_at")), _connector="OR"),
                name="a_subscription_ends_after_its_start",
            ),
        ),
        migrations.CreateModel(
            name="ChangeRequest",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=[("plan", "Another plan"), ("renewal", "A later end")], max_length=10)),
                ("ends_at", models.DateTimeField(null=True)),
                ("was_ends_at", models.DateTimeField(null=True)),
                ("purpose", models.CharField(max_length=500)),
                ("status", models.CharField(choices=_CHANGES, default="pending", max_length=10)),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("requested_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(null=True)),
                ("decided_by", _person(null=True)),
                ("approvals_needed", models.PositiveSmallIntegerField(default=1)),
                ("first_approved_by", _person(null=True)),
                ("first_approved_at", models.DateTimeField(null=True)),
                ("plan", _plan()),
                ("requested_by", _person()),
                (
                    "subscription",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="change_requests", to="apis.subscription"),
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
                ("was_plan", _plan()),
            ],
            options={
                "verbose_name": "change request",
                "indexes": [models.Index(fields=["tenant", "status", "id"], name="change_requests_by_status")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status", "pending")), fields=("tenant", "subscription"), name="one_change_at_a_time"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("ends_at", None),
                                ("kind", "plan"),
                                ("plan__isnull", False),
                                ("was_ends_at", None),
                                ("was_plan__isnull", False),
                            ),
                            models.Q(
                                ("ends_at__isnull", False),
                                ("kind", "renewal"),
                                ("plan", None),
                                ("was_ends_at__isnull", False),
                                ("was_plan", None),
                            ),
                            _connector="OR",
                        ),
                        name="a_change_has_what_its_kind_needs",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status__in", ("approved", "rejected")), _negated=True),
                            models.Q(("decided_by", models.F("requested_by")), _negated=True),
                            _connector="OR",
                        ),
                        name="nobody_decides_their_own_change",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("approvals_needed", 1),
                            models.Q(("status", "approved"), _negated=True),
                            models.Q(
                                ("first_approved_by__isnull", False),
                                models.Q(("first_approved_by", models.F("decided_by")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="no_change_by_one_of_two",
                    ),
                ],
            },
        ),
        enable_rls("apis_changerequest"),
        same_tenant("apis_changerequest", "subscription_id", "apis_subscription"),
        same_tenant("apis_changerequest", "plan_id", "apis_plan"),
        same_tenant("apis_changerequest", "was_plan_id", "apis_plan"),
    ]
