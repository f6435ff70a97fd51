import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0030_approval_rules"),
        ("keys", "0005_applications_life"),
        ("tenants", "0007_sent_once"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="approvalrule",
            name="an_outcome_of_the_two",
        ),
        migrations.AddField(
            model_name="subscription",
            name="approvals_needed",
            field=models.PositiveSmallIntegerField(default=1),
        ),
        migrations.AddField(
            model_name="subscription",
            name="first_approved_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="subscription",
            name="first_approved_by",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name="approvalrule",
            name="outcome",
            field=models.CharField(
                choices=[("automatic", "Approve by itself"), ("people", "Ask a person"), ("two_people", "Ask two people")], max_length=10
            ),
        ),
        migrations.AlterField(
            model_name="plan",
            name="approval",
            field=models.CharField(
                choices=[("manual", "An approver decides"), ("two_people", "Two approvers decide"), ("automatic", "Approved at once")],
                default="manual",
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="approvalrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("outcome__in", ["automatic", "people", "two_people"])), name="an_outcome_of_the_three"
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(condition=models.Q(("approvals_needed__in", [1, 2])), name="one_person_approves_or_two"),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("first_approved_at", None), ("first_approved_by", None)),
                    models.Q(("approvals_needed", 2), ("first_approved_at__isnull", False), ("first_approved_by__isnull", False)),
                    _connector="OR",
                ),
                name="only_what_needs_two_has_a_first_approval",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("approvals_needed", 1),
                    ("first_approved_by__isnull", False),
                    models.Q(("status__in", ["active", "suspended"]), _negated=True),
                    _connector="OR",
                ),
                name="nothing_is_active_with_one_of_two",
            ),
        ),
    ]
