from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apis", "0031b_request_clock")]

    operations = [
        migrations.AddField("api", "request_form", models.JSONField(default=list)),
        migrations.AddField("subscription", "answers", models.JSONField(default=list)),
        migrations.AddField("subscription", "added", models.BooleanField(default=False)),
    ]
