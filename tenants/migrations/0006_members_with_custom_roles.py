from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0005_people")]

    operations = [
        migrations.AddIndex(
            model_name="membership",
            index=models.Index(fields=["tenant"], condition=~models.Q(custom_roles=[]), name="members_with_custom_roles"),
        )
    ]
