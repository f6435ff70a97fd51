from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0011_ceilings")]

    operations = [
        migrations.AddField("tenantsettings", "usage_minutes_days", models.PositiveSmallIntegerField(default=30)),
        migrations.AddField("tenantsettings", "usage_days", models.PositiveSmallIntegerField(default=400)),
    ]
