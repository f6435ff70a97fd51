"""What the agent beside a gateway says of the snapshot on its disk (gateway.agent), as it is kept in the gateway's row."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from google.protobuf.struct_pb2 import Struct

from gateway import nodes
from gateway.ads import Request
from gateway.models import GatewayNode
from gateway.register import NodeId
from tenants import events

# A gateway says what it likes; more than a year it can't have been.
_LONGEST = 366 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Told:
    """`problem`: why the snapshot is not what it should be, "" where it is. How long ago, in seconds, Envoy was first served from it,
    and began; None where it was not."""

    problem: str
    served: float | None = None
    restarted: float | None = None


def told(request: Request) -> Told | None:
    """None where no agent stands beside the gateway."""
    fields = request.node.metadata.fields
    if "snapshot" not in fields or not fields["snapshot"].HasField("struct_value"):
        return None
    said = fields["snapshot"].struct_value
    problem = said.fields["problem"].string_value.replace("\0", "") if "problem" in said.fields else ""
    return Told(problem[:1000], _seconds(said, "served_s"), _seconds(said, "restarted_s"))


def _seconds(said: Struct, name: str) -> float | None:
    if name not in said.fields or not said.fields[name].HasField("number_value"):
        return None
    value = said.fields[name].number_value
    # The comparison is false for what is not a number, too.
    return value if 0 <= value <= _LONGEST else None


@transaction.atomic
def note(node: NodeId, said: Told | None) -> None:
    """The gateway's row says it from now on; what is news is an event of the platform, told once."""
    if said is not None:
        # Before the row, as everywhere: it is needed for what is news.
        nodes.lock()
    row = GatewayNode.objects.select_for_update().get(pk=node.pk)
    problem_before = row.snapshot_problem
    if said is None:
        row.snapshot_at, row.snapshot_problem = None, ""
        row.save(update_fields=["snapshot_at", "snapshot_problem"])
        return
    row.snapshot_problem = said.problem
    if not said.problem:
        row.snapshot_at = Now()
    if said.served is not None:
        row.served_from_snapshot_since = Now() - timedelta(seconds=said.served)
        row.served_from_snapshot_until = Now()
        restarted = None if said.restarted is None else round(said.restarted)
        events.record_platform("gateway.served_from_snapshot", row, by=None, seconds=round(said.served), restarted=restarted)
    if said.problem and said.problem != problem_before:
        events.record_platform("gateway.snapshot_failed", row, by=None, problem=said.problem)
    row.save(update_fields=["snapshot_at", "snapshot_problem", "served_from_snapshot_since", "served_from_snapshot_until"])
