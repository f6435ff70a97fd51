from typing import Any

from django.db import migrations, models


def _known_to_keys(_: Any, editor: Any) -> None:
    """Every API is a protected resource; its scopes come with the next revision that is made live. The owner sees no rows but in scope."""
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT id FROM tenants_tenant")
        for (tenant,) in cursor.fetchall():
            cursor.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(tenant)])
            cursor.execute(
                """INSERT INTO keys_protectedresource (id, tenant_id, name, title, scopes, published)
                       SELECT gen_random_uuid(), tenant_id, slug, name, '{}', EXISTS (
                           SELECT 1 FROM apis_apiversion v WHERE v.api_id = a.id AND v.status = 'published')
                       FROM apis_api a"""
            )
        cursor.execute("SELECT set_config('portico.tenant_id', '', true)")


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0004_draft"),
        ("keys", "0002_whole_life"),
    ]

    operations = [
        migrations.AddField(model_name="operation", name="scopes", field=models.JSONField(default=list)),
        migrations.AddField(model_name="revision", name="scopes", field=models.JSONField(default=dict)),
        migrations.RunPython(_known_to_keys, migrations.RunPython.noop),
    ]
