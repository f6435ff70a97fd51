"""The service that serves APIs as tools for agents, by the Model Context Protocol; it stands behind the gateway's gate. See docs/mcp.md."""
