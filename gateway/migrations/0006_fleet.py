import django.db.models.deletion
from django.db import migrations, models

NODE = "gateway.gatewaynode"


class Migration(migrations.Migration):
    """Apart from the copy of the digests, whose constraints PostgreSQL looks at when that commits."""

    dependencies = [("gateway", "0005_join_tokens"), ("tenants", "0009_delegations")]

    operations = [
        migrations.RemoveField(model_name="gatewaynode", name="token_sha256"),
        *[
            migrations.AddField(model_name="gatewaynode", name=name, field=models.DateTimeField(null=True))
            for name in ("connected_at", "forgotten_at", "draining_at", "drained_at", "refused_at", "clock_at")
        ],
        migrations.AddField(model_name="gatewaynode", name="control", field=models.UUIDField(null=True)),
        migrations.AddField(model_name="gatewaynode", name="clock_ms", field=models.IntegerField(null=True)),
        migrations.AddField(
            model_name="gatewaynode",
            name="refused_version",
            field=models.CharField(blank=True, default="", max_length=80),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="gatewaynode",
            name="credential",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="gateway.nodecredential"),
        ),
        migrations.AddField(model_name="loaded", name="behind_since", field=models.DateTimeField(null=True)),
        migrations.CreateModel(
            name="Nack",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("many", models.PositiveIntegerField(default=0)),
                ("at", models.DateTimeField()),
                ("node", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=NODE)),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="tenants.tenant")),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("tenant", "node"), name="nacks_counted_once")]},
        ),
        migrations.AddIndex(model_name="receipt", index=models.Index(fields=["node", "id"], name="receipts_of_a_gateway")),
        migrations.AlterField(
            model_name="receipt",
            name="node",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="receipts", to=NODE),
        ),
    ]
