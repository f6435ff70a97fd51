from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apis", "0027_version_days")]

    operations = [
        migrations.AddField("subscription", "asked_at", models.DateTimeField(null=True)),
        migrations.AddConstraint(
            "subscription",
            models.CheckConstraint(
                condition=models.Q(("asked_at", None), ("status", "pending"), _connector="OR"), name="only_a_request_waits_for_an_answer"
            ),
        ),
    ]
