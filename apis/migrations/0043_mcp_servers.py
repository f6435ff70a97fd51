import django.db.models.deletion
from django.db import migrations, models

import tenants.models.base
import tenants.scope
from tenants.rls import enable_rls, same_tenant


class Migration(migrations.Migration):
    dependencies = [
        ("apis", "0042_budgets"),
        ("tenants", "0012_usage_retention"),
    ]

    operations = [
        migrations.CreateModel(
            name="McpServer",
            fields=[
                ("id", models.UUIDField(default=tenants.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ("enabled", models.BooleanField(default=False)),
                ("tools", models.JSONField(default=list)),
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
                (
                    "version",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="apis.apiversion"),
                ),
            ],
            options={
                "verbose_name": "MCP server",
                "constraints": [models.UniqueConstraint(fields=("tenant", "version"), name="one_mcp_server_per_version")],
            },
        ),
        enable_rls("apis_mcpserver"),
        same_tenant("apis_mcpserver", "version_id", "apis_apiversion"),
    ]
