import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apis", "0040_aliases_and_plans_of_ai_apis")]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="addresses",
            field=django.contrib.postgres.fields.ArrayField(base_field=models.GenericIPAddressField(), default=list, size=None),
        ),
        migrations.AddField(model_name="provider", name="resolved_at", field=models.DateTimeField(null=True)),
    ]
