from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gateway", "0018_contents")]

    operations = [
        migrations.AddField(
            model_name="refusal", name="asked", field=models.CharField(blank=True, default="", max_length=200), preserve_default=False
        ),
    ]
