from typing import Any

from django.db import migrations, models

CERTIFICATE = models.Q(connection__has_key="client_certificate")
HAS_ITS_KEY = (~CERTIFICATE & models.Q(sealed_key="")) | (CERTIFICATE & ~models.Q(sealed_key=""))


def _warn_certificates(_: Any, editor: Any) -> None:
    """Authorities that were there before are warned of by the job, too."""
    with editor.connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO tenants_due (tenant_id, job, at) SELECT id, 'warn_certificates', now() FROM tenants_tenant
               ON CONFLICT (tenant_id, job) DO NOTHING"""
        )


class Migration(migrations.Migration):
    dependencies = [("apis", "0023_published_documents")]

    operations = [
        *(
            migrations.AddField(model, "sealed_key", models.TextField(blank=True, default=""))
            for model in ("documentimport", "draft", "upstream")
        ),
        migrations.AddField("upstream", "warned", models.JSONField(default=dict)),
        migrations.AddConstraint("draft", models.CheckConstraint(condition=HAS_ITS_KEY, name="a_drafts_client_certificate_has_its_key")),
        migrations.AddConstraint("upstream", models.CheckConstraint(condition=HAS_ITS_KEY, name="a_client_certificate_has_its_key")),
        migrations.RunPython(_warn_certificates, migrations.RunPython.noop),
    ]
