from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apis", "0006_people")]

    operations = [
        migrations.RemoveIndex(model_name="subscription", name="subscriptions_by_status"),
        migrations.AddIndex(
            model_name="subscription",
            index=models.Index(fields=["tenant", "status", "id"], name="subscriptions_by_status"),
        ),
        migrations.AddIndex(
            model_name="subscription",
            index=models.Index(
                fields=["tenant", "decided_at", "id"], condition=models.Q(decided_at__isnull=False), name="subscriptions_by_decision"
            ),
        ),
    ]
