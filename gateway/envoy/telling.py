"""Messages as JSON for people, as Envoy names their fields, without what is secret.

Hidden are the fields that Envoy itself marks (`udpa.annotations.sensitive`: private keys, passwords, secrets of SDS), however deep they
stand, and values of headers whose names speak of credentials. Of bodies that a gateway answers by itself only the beginning is told.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/api
"""

import re
from typing import Any

from envoy.config.core.v3 import base_pb2
from google.protobuf import any_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from udpa.annotations import sensitive_pb2

HIDDEN = "(hidden)"
MOST_OF_A_BODY = 2_000
_CREDENTIAL = re.compile(r"auth|cookie|key|passw|secret|token", re.IGNORECASE)


def tell(message: Message) -> dict[str, Any]:
    """The message as JSON."""
    copy = type(message)()
    copy.CopyFrom(message)
    _hide(copy)
    found: dict[str, Any] = MessageToDict(copy, preserving_proto_field_name=True)
    return found


def _hide(message: Message) -> None:
    """Change the message: what nobody should read is no longer in it."""
    if isinstance(message, any_pb2.Any):
        _hide_packed(message)
        return
    if isinstance(message, base_pb2.HeaderValue) and _CREDENTIAL.search(message.key):
        message.value = HIDDEN
        message.ClearField("raw_value")
    for field, value in message.ListFields():
        if field.GetOptions().Extensions[sensitive_pb2.sensitive]:
            _cover(message, field)
        elif field.message_type is not None:
            for inner in _messages(field, value):
                _hide(inner)
        if field.name == "body" and isinstance(value, base_pb2.DataSource) and len(value.inline_string) > MOST_OF_A_BODY:
            value.inline_string = f"{value.inline_string[:MOST_OF_A_BODY]}… ({len(value.inline_string)})"


def _hide_packed(message: any_pb2.Any) -> None:
    inner = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(message.TypeName()))()
    inner.ParseFromString(message.value)
    _hide(inner)
    message.value = inner.SerializeToString(deterministic=True)


def _cover(message: Message, field: FieldDescriptor) -> None:
    message.ClearField(field.name)
    if field.message_type is base_pb2.DataSource.DESCRIPTOR and not field.is_repeated:
        getattr(message, field.name).inline_string = HIDDEN


def _messages(field: FieldDescriptor, value: Any) -> list[Message]:
    """Those that a field holds, one, many or the values of a map."""
    entry = field.message_type
    assert entry is not None
    if entry.GetOptions().map_entry:
        return list(value.values()) if entry.fields_by_name["value"].message_type is not None else []
    return list(value) if field.is_repeated else [value]
