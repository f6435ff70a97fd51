import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0011_document_imports"),
    ]

    operations = [
        migrations.AddField(model_name="draft", name="mock", field=models.BooleanField(default=False)),
        migrations.AddField(model_name="revision", name="answers", field=models.JSONField(null=True)),
        migrations.AlterField(
            model_name="revision",
            name="upstream",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="revisions", to="apis.upstream"),
        ),
        migrations.AddConstraint(
            model_name="revision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("answers__isnull", False), ("upstream__isnull", True)),
                    models.Q(("answers__isnull", True), ("upstream__isnull", False)),
                    _connector="OR",
                ),
                name="a_revision_has_an_upstream_or_answers",
            ),
        ),
    ]
