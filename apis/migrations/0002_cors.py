import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apis", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="api",
            name="cors_origins",
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=300), default=list, size=None),
        ),
        migrations.AddConstraint(
            model_name="api",
            constraint=models.CheckConstraint(condition=models.Q(("cors_origins__len__lte", 20)), name="few_origins_per_api"),
        ),
    ]
