import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0041_addresses_of_providers"),
        ("keys", "0007_applications_wait"),
        ("tenants", "0012_usage_retention"),
    ]

    operations = [
        migrations.CreateModel(
            name="BudgetUse",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("period", models.CharField(choices=[("day", "a day"), ("month", "a month")], max_length=5)),
                ("time_zone", models.CharField(max_length=64)),
                ("currency", models.CharField(max_length=3)),
                ("starts", models.DateTimeField()),
                ("ends", models.DateTimeField()),
                ("tokens", models.PositiveBigIntegerField(default=0)),
                ("amount", models.PositiveBigIntegerField(default=0)),
                ("unpriced", models.PositiveBigIntegerField(default=0)),
                ("counted_at", models.DateTimeField(null=True)),
                ("more_tokens", models.PositiveBigIntegerField(default=0)),
                ("more_amount", models.PositiveBigIntegerField(default=0)),
                ("warned", models.BooleanField(default=False)),
                ("refused_tokens", models.PositiveBigIntegerField(default=0)),
                ("refused_amount", models.PositiveBigIntegerField(default=0)),
                ("api", models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="apis.api")),
                (
                    "application",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="keys.application"),
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
            name="TenantBudget",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("tokens", models.PositiveBigIntegerField(null=True)),
                ("amount", models.PositiveBigIntegerField(null=True)),
                ("currency", models.CharField(default="USD", max_length=3)),
                ("period", models.CharField(choices=[("day", "a day"), ("month", "a month")], default="month", max_length=5)),
                ("time_zone", models.CharField(default="UTC", max_length=64)),
                ("soft_percent", models.PositiveSmallIntegerField(default=80)),
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
            model_name="plan",
            name="budget_amount",
            field=models.PositiveBigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="plan",
            name="budget_currency",
            field=models.CharField(default="USD", max_length=3),
        ),
        migrations.AddField(
            model_name="plan",
            name="budget_period",
            field=models.CharField(choices=[("day", "a day"), ("month", "a month")], default="month", max_length=5),
        ),
        migrations.AddField(
            model_name="plan",
            name="budget_soft_percent",
            field=models.PositiveSmallIntegerField(default=80),
        ),
        migrations.AddField(
            model_name="plan",
            name="budget_time_zone",
            field=models.CharField(default="UTC", max_length=64),
        ),
        migrations.AddField(
            model_name="plan",
            name="budget_tokens",
            field=models.PositiveBigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="providerkey",
            name="state_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="providerkey",
            name="used_up_times",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("budget_tokens", None), ("budget_tokens__range", (1, 1000000000000000)), _connector="OR"),
                    models.Q(("budget_amount", None), ("budget_amount__range", (1, 1000000000000000)), _connector="OR"),
                ),
                name="a_plans_budget_within_bounds",
            ),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(("budget_period__in", ["day", "month"]), ("budget_soft_percent__range", (1, 99))),
                name="a_plans_budget_of_a_day_or_a_month",
            ),
        ),
        migrations.AddIndex(
            model_name="budgetuse",
            index=models.Index(fields=["tenant", "ends"], name="budget_uses_by_end"),
        ),
        migrations.AddIndex(
            model_name="budgetuse",
            index=models.Index(
                condition=models.Q(("refused_tokens__gt", 0), ("refused_amount__gt", 0), _connector="OR"),
                fields=["tenant", "ends"],
                name="budget_uses_that_are_refused",
            ),
        ),
        migrations.AddConstraint(
            model_name="budgetuse",
            constraint=models.UniqueConstraint(
                fields=("tenant", "application", "api", "period", "time_zone", "currency", "starts"),
                name="one_budget_use_per_period",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="budgetuse",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends__gt", models.F("starts"))), name="a_budgets_period_ends_after_it_began"
            ),
        ),
        migrations.AddConstraint(
            model_name="budgetuse",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("api", None), ("application", None)),
                    models.Q(("api__isnull", False), ("application__isnull", False)),
                    _connector="OR",
                ),
                name="a_budget_of_a_subscription_or_of_the_tenant",
            ),
        ),
        migrations.AddConstraint(
            model_name="tenantbudget",
            constraint=models.UniqueConstraint(fields=("tenant",), name="one_budget_per_tenant"),
        ),
        migrations.AddConstraint(
            model_name="tenantbudget",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("tokens", None), ("tokens__range", (1, 1000000000000000)), _connector="OR"),
                    models.Q(("amount", None), ("amount__range", (1, 1000000000000000)), _connector="OR"),
                ),
                name="a_tenants_budget_within_bounds",
            ),
        ),
        migrations.AddConstraint(
            model_name="tenantbudget",
            constraint=models.CheckConstraint(
                condition=models.Q(("period__in", ["day", "month"]), ("soft_percent__range", (1, 99))),
                name="a_tenants_budget_of_a_day_or_a_month",
            ),
        ),
        enable_rls("apis_budgetuse"),
        same_tenant("apis_budgetuse", "application_id", "keys_application"),
        same_tenant("apis_budgetuse", "api_id", "apis_api"),
        enable_rls("apis_tenantbudget"),
    ]
