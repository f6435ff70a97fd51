from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apis", "0028_questions")]

    operations = [
        migrations.AddField(model_name="plan", name="reason", field=models.CharField(blank=True, max_length=500)),
        migrations.AlterField(
            model_name="plan",
            name="status",
            field=models.CharField(
                choices=[("staging", "Staging"), ("published", "Published"), ("deprecated", "Deprecated"), ("closed", "Closed")],
                default="staging",
                max_length=10,
            ),
        ),
    ]
