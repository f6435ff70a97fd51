from django.db import migrations, models

CERTIFICATE = models.Q(connection__has_key="client_certificate")
HAS_ITS_KEY = (~CERTIFICATE & models.Q(sealed_key="")) | (CERTIFICATE & ~models.Q(sealed_key=""))


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
    ]
