from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apis", "0015_visibility")]

    operations = [migrations.AddField(model_name="api", name="policies", field=models.JSONField(default=dict))]
