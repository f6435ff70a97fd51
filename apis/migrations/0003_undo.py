from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0002_cors"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="undo_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("undo_until", None),
                    models.Q(("decided_by__isnull", False), ("status__in", ["active", "rejected"])),
                    _connector="OR",
                ),
                name="only_a_decision_can_be_undone",
            ),
        ),
    ]
