"""What an access-log entry says of tokens: the gateway read them in the provider's answer, and wrote them beside the call."""

import re
from typing import NamedTuple

from envoy.data.accesslog.v3 import accesslog_pb2
from google.protobuf import wrappers_pb2

from gateway.envoy.ai.chain import BROKEN, NOTHING
from gateway.envoy.names import AI, MODEL, USED

# In the names of clusters that lead to a provider: `<tenant>/ai/<key>/<format>/<digest>`.
TO_PROVIDERS = f"/{AI}/"
# No answer has more; what says so is somebody's mistake, and must not overflow what is added up.
MOST_TOKENS = 10**9
_Text = wrappers_pb2.StringValue
_MODEL_LENGTH = 200
# Callers write it: what is refused may be anything.
_NAME = re.compile(r"[\w.:/@+-]+", re.ASCII)


class Spent(NamedTuple):
    """The tokens of an answer. `model`: as it was asked for. `key`: the id of the provider's key that answered.

    `cached` is part of `input`, and `reasoning` of `output`. `told`: whether the provider said anything of them.
    """

    model: str
    key: str
    input: int
    output: int
    cached: int
    reasoning: int
    told: bool


def key_of(cluster: str) -> str:
    """The provider key that a cluster leads to with, "" where it is none of a provider."""
    parts = cluster.split("/", 3)
    return parts[2][:40] if len(parts) > 2 and parts[1] == AI else ""


def asked_of(common: accesslog_pb2.AccessLogCommon) -> str:
    """The model that was asked for, "" where none was found."""
    state = common.filter_state_objects
    return _Text.FromString(state[MODEL].value).value[:_MODEL_LENGTH] if MODEL in state else ""


def spent(common: accesslog_pb2.AccessLogCommon, status: int) -> Spent | None:
    """None where no provider's key answered; what a provider refused costs nothing."""
    key = key_of(common.upstream_cluster)
    if not key or not 200 <= status < 300:
        return None
    said, asked = common.metadata.filter_metadata, asked_of(common)
    if USED not in said:
        return Spent(asked, key, 0, 0, 0, 0, told=False)
    fields = said[USED].fields
    many = {name: _number(value.number_value) for name, value in fields.items()}
    # Anthropic counts apart what it remembered, and what it wrote down to remember.
    read, written = many.get("cache_read", 0), many.get("cache_write", 0)
    given = min(many.get("input", 0) + read + written, MOST_TOKENS)
    made = many.get("output", 0)
    return Spent(
        asked,
        key,
        given,
        made,
        min(many.get("cached", 0) + read, given),
        min(many.get("reasoning", 0), made),
        told="input" in many or "output" in many,
    )


def asked_in(common: accesslog_pb2.AccessLogCommon) -> str:
    """The model that a call asked for, whatever became of it; "" where it is no name that a model could have."""
    asked = asked_of(common)
    return asked if asked not in {NOTHING, BROKEN} and _NAME.fullmatch(asked) else ""


def _number(value: float) -> int:
    # Nothing of what is no number, or below nothing.
    return int(min(value, MOST_TOKENS)) if value > 0 else 0
