import json
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from apis import contract, parts, reference
from tenants.rls import enable_rls, same_tenant


def cut_up(_: Any, editor: Any) -> None:
    """What was there before. The owner sees no rows but in scope."""
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT id FROM tenants_tenant")
        for (tenant,) in cursor.fetchall():
            cursor.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(tenant)])
            cursor.execute("SELECT id FROM apis_revision")
            for (revision,) in cursor.fetchall():
                _cut_up(cursor, tenant, revision)
        cursor.execute("SELECT set_config('portico.tenant_id', '', true)")
        # A table whose references are still to be checked can't be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def _cut_up(cursor: Any, tenant: Any, revision: Any) -> None:
    cursor.execute("SELECT document::text FROM apis_revision WHERE id = %s", [revision])
    document = json.loads(cursor.fetchone()[0])
    outline, contents = parts.cut(document)
    cursor.execute("UPDATE apis_revision SET outline = %s WHERE id = %s", [json.dumps(outline.as_json()), revision])
    cursor.executemany(
        "INSERT INTO apis_part (id, tenant_id, revision_id, number, content) VALUES (%s, %s, %s, %s, %s)",
        [
            (tenants.models.base.new_id(), tenant, revision, number, None if content is None else json.dumps(content))
            for number, content in enumerate(contents)
        ],
    )
    cursor.executemany(
        "UPDATE apis_operation SET tag = %s WHERE revision_id = %s AND method = %s AND path = %s",
        [(tag, revision, each.method, each.path) for each in contract.operations(document) if (tag := reference.first_tag(each))],
    )


class Migration(migrations.Migration):
    dependencies = [("apis", "0021_tests_of_revisions"), ("tenants", "0006_many_people")]

    operations = [
        migrations.AddField(model_name="revision", name="outline", field=models.JSONField(default=list)),
        migrations.AddField(model_name="operation", name="tag", field=models.CharField(blank=True, default="", max_length=200)),
        migrations.CreateModel(
            name="Part",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("number", models.PositiveIntegerField()),
                ("content", models.JSONField(null=True)),
                (
                    "revision",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="parts", to="apis.revision"),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        default=tenants.scope.current_tenant_id,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("tenant", "revision", "number"), name="one_part_per_number")],
            },
        ),
        enable_rls("apis_part"),
        same_tenant("apis_part", "revision_id", "apis_revision"),
        migrations.RunPython(cut_up, migrations.RunPython.noop),
    ]
