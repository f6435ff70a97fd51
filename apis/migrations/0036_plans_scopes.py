import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apis", "0035_dates_and_changes_of_subscriptions")]

    operations = [
        migrations.AddField(
            model_name="plan",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=200), default=list, size=None),
        ),
    ]
