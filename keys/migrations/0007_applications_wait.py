from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0006_webhooks")]

    operations = [
        migrations.AlterField(
            "application",
            "status",
            models.CharField(
                choices=[
                    ("pending", "Pending"),
                    ("rejected", "Rejected"),
                    ("active", "Active"),
                    ("suspended", "Suspended"),
                    ("deleted", "Deleted"),
                ],
                default="active",
                max_length=10,
            ),
        ),
        migrations.RemoveConstraint("application", "what_is_deleted_knows_since_when"),
        migrations.AddConstraint(
            "application",
            models.CheckConstraint(
                condition=models.Q(
                    models.Q(("deleted_at__isnull", False), ("status", "deleted")),
                    models.Q(("deleted_at__isnull", True), ("status__in", ["pending", "rejected", "active", "suspended"])),
                    _connector="OR",
                ),
                name="what_is_deleted_knows_since_when",
            ),
        ),
    ]
