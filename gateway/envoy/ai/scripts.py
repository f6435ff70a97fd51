"""Lua that Envoy runs: what of a body no filter of Envoy's can read, change or count.

Envoy sends on what a script fails at, so each of them runs in `pcall` and refuses where it fails, but for the one that only looks on. They
hold nothing of a call, so all of one kind share a virtual machine; what is a tenant's comes with each call, as the filter's context.

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/lua_filter
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from envoy.extensions.filters.http.lua.v3 import lua_pb2
from google.protobuf import struct_pb2

from gateway.envoy.extensions import wire

_FOLDER = Path(__file__).parent / "lua"
# What a script needs stands before it: an object's members as they stand in the text, texts as JSON spells them, and how those are run
# that have little to do.
_NEEDS = {
    "asks": ("short",),
    "masks": ("texts", "patterns"),
    "rewrite": ("short", "members"),
    "tokens": ("short",),
    "variables": ("members", "texts"),
}
# Lua.filter_context and Lua.shared_vm_id, which xds-protos does not know yet.
_CONTEXT, _SHARED_VM = 6, 9


@lru_cache
def source(name: str) -> str:
    return "\n".join((_FOLDER / f"{each}.lua").read_text() for each in (*_NEEDS.get(name, ()), name))


def script(name: str, context: Mapping[str, Any]) -> tuple[lua_pb2.Lua, bytes]:
    """The filter's configuration, and what of it xds-protos lacks."""
    code = source(name)
    made = lua_pb2.Lua()
    made.default_source_code.inline_string = code
    given = struct_pb2.Struct()
    given.update(context)
    # Another code is another machine.
    machine = f"portico.{name}.{hashlib.sha256(code.encode()).hexdigest()[:16]}"
    return made, wire(_CONTEXT, given.SerializeToString(deterministic=True)) + wire(_SHARED_VM, machine.encode())
