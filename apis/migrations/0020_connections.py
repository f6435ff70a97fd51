from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apis", "0019_reviews")]

    operations = [
        migrations.AddField(model_name="upstream", name="connection", field=models.JSONField(default=dict)),
        migrations.AddField(model_name="draft", name="connection", field=models.JSONField(default=dict)),
    ]
