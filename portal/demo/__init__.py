"""The demo: its data, and the main job done by a client that knows nothing but HTTP."""

from pathlib import Path

# What the demo's APIs are made from; httpbin stands behind them.
DOCUMENTS = Path(__file__).with_name("documents")
ECHO = DOCUMENTS / "echo.yaml"
# Portico's own REST API, as the demo publishes it.
OWN_TENANT, OWN_SLUG, OWN_PLAN = "portico", "rest", "open"
