from django.db import models

from apis.models.api import ApiVersion
from tenants.models import TenantModel


class McpServer(TenantModel):
    """Which operations of a version agents may use as tools; the choice stays while they are switched off."""

    version = models.ForeignKey(ApiVersion, models.CASCADE, related_name="+")
    enabled = models.BooleanField(default=False)
    # In order, each {"operation": its id, "name", "description"}; a description of "" is the document's.
    tools = models.JSONField(default=list)

    class Meta:
        verbose_name = "MCP server"
        constraints = [models.UniqueConstraint(fields=["tenant", "version"], name="one_mcp_server_per_version")]

    def __str__(self) -> str:
        return str(self.version)
