from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0010_host_names")]

    operations = [migrations.AddField(model_name="tenant", name="max_calls", field=models.PositiveIntegerField(blank=True, null=True))]
