import django.db.models.deletion
from django.db import migrations, models

from tenants.rls import same_tenant


class Migration(migrations.Migration):
    dependencies = [("apis", "0020_connections"), ("keys", "0004_identity_provider")]

    operations = [
        migrations.AddField(model_name="revision", name="open_until", field=models.DateTimeField(null=True)),
        migrations.AddField(
            model_name="revision",
            name="tester",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="keys.application"),
        ),
        same_tenant("apis_revision", "tester_id", "keys_application"),
        migrations.AddConstraint(
            model_name="revision",
            constraint=models.CheckConstraint(
                condition=models.Q(tester=None) | models.Q(open_until__isnull=False), name="a_tester_has_a_test"
            ),
        ),
        migrations.AddIndex(
            model_name="revision",
            index=models.Index(
                condition=models.Q(open_until__isnull=False), fields=["tenant", "open_until"], name="revisions_open_for_tests"
            ),
        ),
    ]
