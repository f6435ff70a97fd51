from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0007_sent_once")]

    operations = [migrations.AddField("tenantsettings", "applications_need_approval", models.BooleanField(default=False))]
