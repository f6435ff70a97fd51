from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apis", "0009_lint_rules")]

    operations = [migrations.AddField(model_name="revision", name="notes", field=models.JSONField(default=list))]
