from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apis", "0036_plans_scopes")]

    operations = [
        migrations.AddField(model_name="plan", name="burst", field=models.PositiveIntegerField(null=True)),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(burst=None) | models.Q(burst__gt=0, burst__lte=models.F("calls")), name="a_burst_within_the_calls"
            ),
        ),
    ]
