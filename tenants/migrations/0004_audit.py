from django.db import migrations, models


class Migration(migrations.Migration):
    """What the audit is narrowed by. Row security lets an index answer only what is compared for equality or order."""

    dependencies = [("tenants", "0003_mailed")]

    operations = [
        migrations.AddIndex("event", models.Index(fields=["tenant", "kind", "number"], name="events_of_a_kind")),
        migrations.AddIndex("event", models.Index(fields=["tenant", "actor_id", "number"], name="events_of_a_person")),
        migrations.AddIndex("event", models.Index(fields=["tenant", "number"], condition=models.Q(actor_id=None), name="events_of_nobody")),
        migrations.AddIndex("event", models.Index(fields=["tenant", "ip", "number"], name="events_from_an_address")),
        migrations.AddIndex("event", models.Index(fields=["tenant", "at"], name="events_of_a_day")),
    ]
