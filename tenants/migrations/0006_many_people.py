from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0005_people")]

    operations = [
        migrations.AddIndex(
            model_name="membership",
            index=models.Index(fields=["tenant"], condition=~models.Q(custom_roles=[]), name="members_with_custom_roles"),
        ),
        # Operators look for a part of a name or an address among everybody. No tenant's row is named so: row security would keep an index
        # from answering.
        TrigramExtension(),
        migrations.RunSQL(
            """
            CREATE INDEX people_by_parts_of_names ON tenants_user
            USING gin (upper(name::text) gin_trgm_ops, upper(email::text) gin_trgm_ops)
            """,
            "DROP INDEX people_by_parts_of_names",
        ),
    ]
