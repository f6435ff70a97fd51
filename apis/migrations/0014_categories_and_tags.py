import django.contrib.postgres.fields
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant

LISTED = """
    -- array_to_string is not immutable, for the sake of arrays of times.
    CREATE FUNCTION apis_listed(given text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN array_to_string(given, ' ');
"""


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0013_words"),
    ]

    operations = [
        migrations.CreateModel(
            name="Category",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=40)),
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
                "verbose_name": "category",
                "constraints": [
                    models.UniqueConstraint(models.F("tenant"), django.db.models.functions.text.Lower("name"), name="one_category_per_name")
                ],
            },
        ),
        enable_rls("apis_category"),
        migrations.AddField(
            model_name="api",
            name="category",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="apis", to="apis.category"),
        ),
        same_tenant("apis_api", "category_id", "apis_category"),
        migrations.AddField(
            model_name="api",
            name="tags",
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=30), default=list, size=None),
        ),
        migrations.AddConstraint(
            model_name="api",
            constraint=models.CheckConstraint(condition=models.Q(("tags__len__lte", 10)), name="few_tags_per_api"),
        ),
        migrations.RunSQL(LISTED, "DROP FUNCTION apis_listed(text[]);"),
        migrations.RemoveField(model_name="api", name="words"),
        migrations.AddField(
            model_name="api",
            name="words",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Func("name", "slug", "description", models.Func("tags", function="apis_listed"), function="apis_weighed"),
                output_field=django.contrib.postgres.search.SearchVectorField(),
            ),
        ),
    ]
