from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apis", "0024_client_certificates")]

    operations = [
        migrations.AddField(model_name=model, name=name, field=models.JSONField(default=default))
        for model in ("upstream", "draft")
        for name, default in (("balancing", dict), ("further_addresses", list))
    ]
