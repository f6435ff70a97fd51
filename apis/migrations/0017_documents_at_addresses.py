from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apis", "0016_policies")]

    operations = [migrations.AddField(model_name="documentimport", name="url", field=models.CharField(blank=True, max_length=500))]
