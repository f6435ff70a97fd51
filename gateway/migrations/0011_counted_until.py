from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gateway", "0010_domains")]

    operations = [migrations.AddField(model_name="gatewaynode", name="counted_until", field=models.DateTimeField(null=True))]
