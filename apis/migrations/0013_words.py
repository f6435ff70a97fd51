from typing import Any

import django.contrib.postgres.search
from django.db import migrations, models

WORDS = """
    -- What apis.words makes of what is sought: words end where letters and digits do, and before a capital that follows a small letter.
    CREATE FUNCTION apis_words(given text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
        to_tsvector('pg_catalog.simple', lower(regexp_replace(regexp_replace(regexp_replace(
            given, '([a-z0-9])([A-Z])', '\\1 \\2', 'g'), '([⺀-鿿가-힯豈-﫿])', ' \\1 ', 'g'), '[^[:alnum:]]+', ' ', 'g')));

    -- Four texts, the weightiest first.
    CREATE FUNCTION apis_weighed(a text, b text, c text, d text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
        setweight(apis_words(a), 'A') || setweight(apis_words(b), 'B') || setweight(apis_words(c), 'C') || setweight(apis_words(d), 'D');
"""


def _described(_: Any, editor: Any) -> None:
    """From the documents. The owner sees no rows but in scope."""
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT id FROM tenants_tenant")
        for (tenant,) in cursor.fetchall():
            cursor.execute("SELECT set_config('portico.tenant_id', %s, true)", [str(tenant)])
            cursor.execute(
                """UPDATE apis_operation o
                       SET description = left(coalesce(r.document #>> ARRAY['paths', o.path, lower(o.method), 'description'], ''), 2000)
                       FROM apis_revision r WHERE r.id = o.revision_id"""
            )
        cursor.execute("SELECT set_config('portico.tenant_id', '', true)")


def _words(*names: str) -> models.GeneratedField:
    return models.GeneratedField(
        db_persist=True,
        expression=models.Func(*names, function="apis_weighed"),
        output_field=django.contrib.postgres.search.SearchVectorField(),
    )


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0012_mock"),
    ]

    operations = [
        migrations.RunSQL(WORDS, "DROP FUNCTION apis_weighed(text, text, text, text); DROP FUNCTION apis_words(text);"),
        migrations.AddField(model_name="operation", name="description", field=models.CharField(blank=True, default="", max_length=2000)),
        migrations.RunPython(_described, migrations.RunPython.noop),
        migrations.AddField(model_name="operation", name="words", field=_words("operation_id", "summary", "path", "description")),
        migrations.AddField(model_name="api", name="words", field=_words("name", "slug", "description", models.Value(""))),
    ]
