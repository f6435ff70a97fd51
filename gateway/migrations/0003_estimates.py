from django.db import migrations

from tenants.rls import known_to_the_planner


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0002_erasing"),
        ("apis", "0006_people"),
        ("keys", "0004_identity_provider"),
        ("tenants", "0005_people"),
    ]

    operations = [
        # Of every table, so it stands behind all that made one.
        known_to_the_planner(),
    ]
