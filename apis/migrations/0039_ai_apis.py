from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("apis", "0038_providers")]

    operations = [
        migrations.AddField(
            model_name="api",
            name="kind",
            field=models.CharField(choices=[("rest", "REST"), ("ai", "AI")], default="rest", max_length=4),
        ),
        migrations.AddConstraint(
            model_name="api",
            constraint=models.CheckConstraint(condition=models.Q(kind__in=["rest", "ai"]), name="a_kind_of_the_two"),
        ),
        migrations.AddField(model_name="revision", name="ai", field=models.JSONField(null=True)),
        migrations.RemoveConstraint(model_name="revision", name="a_revision_has_an_upstream_or_answers"),
        migrations.AddConstraint(
            model_name="revision",
            constraint=models.CheckConstraint(
                condition=models.Q(upstream__isnull=False, answers__isnull=True, ai__isnull=True)
                | models.Q(upstream__isnull=True, answers__isnull=False, ai__isnull=True)
                | models.Q(upstream__isnull=True, answers__isnull=True, ai__isnull=False),
                name="a_revision_has_an_upstream_answers_or_models",
            ),
        ),
    ]
