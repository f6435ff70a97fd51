import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0031a_two_people"),
        ("tenants", "0007_sent_once"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="escalated_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name="RequestPolicy",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("answer_hours", models.PositiveSmallIntegerField(null=True)),
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
                "verbose_name": "request policy",
                "constraints": [
                    models.UniqueConstraint(fields=("tenant",), name="one_request_policy_per_tenant"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("answer_hours", None), models.Q(("answer_hours__gte", 1), ("answer_hours__lte", 720)), _connector="OR"
                        ),
                        name="an_answer_within_a_month",
                    ),
                ],
            },
        ),
        enable_rls("apis_requestpolicy"),
    ]
