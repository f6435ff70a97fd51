from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gateway", "0003_estimates"), ("apis", "0023_published_documents")]

    operations = [
        migrations.AddField(model_name="deployment", name="parts", field=models.JSONField(null=True)),
    ]
