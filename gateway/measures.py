"""The numbers of control and usage. Names and labels as Prometheus wants them: https://prometheus.io/docs/practices/naming/."""

from prometheus_client import Counter, Gauge, Histogram

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)

GATEWAYS = Gauge("portico_control_gateways", "Gateways that are connected to this process.", multiprocess_mode="livesum")
TENANTS = Gauge("portico_control_tenants", "Tenants that this process knows.", multiprocess_mode="livemax")
LOADED = Gauge("portico_control_loaded_tenants", "Tenants that gateways have loaded, once for each gateway.", multiprocess_mode="livesum")
COMPILED = Histogram("portico_control_compile_seconds", "Reading a tenant and compiling it.", buckets=_FAST)
ACKNOWLEDGED = Histogram(
    "portico_control_acknowledgement_seconds", "From sending until the gateway acknowledged, or refused.", ["resource"], buckets=_FAST
)
REFUSED = Counter("portico_control_refused_total", "Resources that a gateway refused.", ["resource"])
RECEIPTS = Counter("portico_control_receipts_total", "Receipts written, by how the gateway stands then.", ["standing"])
RECEIPT = Histogram("portico_control_receipt_seconds", "From hearing of a decision until its receipt.", buckets=_FAST)
CANARIES = Counter("portico_control_canaries_total", "Canaries that were called, by what came of it.", ["outcome"])

ENTRIES = Counter("portico_usage_entries_total", "Calls that gateways told of.")
WAITING = Gauge("portico_usage_waiting", "Refusals that wait to be written.", multiprocess_mode="livesum")
FLUSHED = Histogram("portico_usage_flush_seconds", "Writing what was counted.", buckets=_FAST)
SHIPPED = Counter("portico_usage_shipped_total", "Records of calls for destinations of APIs, by what became of them.", ["outcome"])
CONTENTS = Counter("portico_usage_contents_total", "What calls asked and were answered, by what became of it.", ["outcome"])
SHIPPING = Gauge("portico_usage_shipping_bytes", "Records that wait to be sent.", multiprocess_mode="livesum")

MCP_LISTS = Counter("portico_mcp_lists_total", "Lists of tools that agents asked for.")
MCP_CALLS = Counter("portico_mcp_calls_total", "Calls of tools, by what came of them.", ["outcome"])
MCP_CALL = Histogram("portico_mcp_call_seconds", "From an agent's call of a tool until the answer of the API.", buckets=_FAST)
