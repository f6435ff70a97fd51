from typing import Any

from django.db import migrations, models

from tenants.scope import tenant_scope


def begin_now(apps: Any, _: Any) -> None:
    """Nobody gets a mail about what happened before mails were sent. Tenant by tenant: the owner sees no rows."""
    counters = apps.get_model("tenants", "EventCounter").objects
    for tenant in apps.get_model("tenants", "Tenant").objects.all():
        with tenant_scope(tenant.pk):
            counters.filter(tenant=tenant).update(mailed=models.F("number"))


class Migration(migrations.Migration):
    dependencies = [("tenants", "0002_profile")]

    operations = [
        migrations.AddField("eventcounter", "mailed", models.PositiveBigIntegerField(default=0)),
        migrations.RunPython(begin_now, migrations.RunPython.noop),
    ]
