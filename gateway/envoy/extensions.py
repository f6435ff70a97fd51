"""Packing Envoy's extensions, and the messages that xds-protos does not carry."""

from typing import Any, TypeAlias

from envoy.config.core.v3 import config_source_pb2, extension_pb2  # noqa: F401  (what is declared below refers to both)
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2  # noqa: F401
from google.protobuf.message import Message

TYPES = "type.googleapis.com/"
HttpFilter: TypeAlias = hcm_pb2.HttpFilter


def packed(message: Message, extra: bytes = b"") -> any_pb2.Any:
    """The message as Any, byte-stable: map entries in order.

    :param extra: fields in wire format that Envoy knows and xds-protos does not yet.
    """
    return any_pb2.Any(type_url=TYPES + message.DESCRIPTOR.full_name, value=message.SerializeToString(deterministic=True) + extra)


def http_filter(name: str, message: Message, extra: bytes = b"") -> HttpFilter:
    return HttpFilter(name=name, typed_config=packed(message, extra))


def extension(name: str, message: Message, extra: bytes = b"") -> extension_pb2.TypedExtensionConfig:
    return extension_pb2.TypedExtensionConfig(name=name, typed_config=packed(message, extra))


def _filter_chain_messages() -> tuple[type[Message], type[Message]]:
    """`envoy/extensions/filters/http/filter_chain/v3/filter_chain.proto`, field for field as Envoy 1.40 carries it.

    Declared here because xds-protos lacks it, and because a TypedStruct in its place would be parsed twice: once as a
    struct and once as the message.
    """
    package = "envoy.extensions.filters.http.filter_chain.v3"
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="portico/envoy_filter_chain.proto",
        package=package,
        syntax="proto3",
        dependency=["envoy/config/core/v3/extension.proto"],
    )
    chain = file.message_type.add(name="FilterChain")
    chain.field.add(
        name="filters",
        number=1,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_REPEATED,
        type_name=".envoy.config.core.v3.TypedExtensionConfig",
    )
    for name, inner in (("FilterChainConfig", "default_filter_chain"), ("FilterChainConfigPerRoute", "filter_chain")):
        file.message_type.add(name=name).field.add(
            name=inner,
            number=1,
            type=field.TYPE_MESSAGE,
            label=field.LABEL_OPTIONAL,
            type_name=f".{package}.FilterChain",
        )
    descriptor_pool.Default().Add(file)
    found = [
        descriptor_pool.Default().FindMessageTypeByName(f"{package}.{name}") for name in ("FilterChainConfig", "FilterChainConfigPerRoute")
    ]
    return message_factory.GetMessageClass(found[0]), message_factory.GetMessageClass(found[1])


# Messages made at run time have fields that no type checker can see.
FilterChainConfig: Any
FilterChainConfigPerRoute: Any
FilterChainConfig, FilterChainConfigPerRoute = _filter_chain_messages()


def _secret_messages() -> tuple[type[Message], type[Message]]:
    """`envoy/extensions/transport_sockets/tls/cert_selectors/on_demand_secret/v3/config.proto` and `…/cert_mappers/sni/v3/config.proto`,
    what we use of them, which xds-protos lacks as well.
    """
    field, pool = descriptor_pb2.FieldDescriptorProto, descriptor_pool.Default()
    tls = "envoy.extensions.transport_sockets.tls"
    mapper = descriptor_pb2.FileDescriptorProto(name="portico/envoy_sni.proto", package=f"{tls}.cert_mappers.sni.v3", syntax="proto3")
    mapper.message_type.add(name="SNI").field.add(name="default_value", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    selector = descriptor_pb2.FileDescriptorProto(
        name="portico/envoy_on_demand_secret.proto",
        package=f"{tls}.cert_selectors.on_demand_secret.v3",
        syntax="proto3",
        dependency=["envoy/config/core/v3/config_source.proto", "envoy/config/core/v3/extension.proto"],
    )
    config = selector.message_type.add(name="Config")
    for number, (name, kind) in enumerate((("config_source", "ConfigSource"), ("certificate_mapper", "TypedExtensionConfig")), 1):
        config.field.add(
            name=name, number=number, type=field.TYPE_MESSAGE, label=field.LABEL_OPTIONAL, type_name=f".envoy.config.core.v3.{kind}"
        )
    for file in (mapper, selector):
        pool.Add(file)
    found = [pool.FindMessageTypeByName(f"{mapper.package}.SNI"), pool.FindMessageTypeByName(f"{selector.package}.Config")]
    return message_factory.GetMessageClass(found[0]), message_factory.GetMessageClass(found[1])


Sni: Any
OnDemandSecret: Any
Sni, OnDemandSecret = _secret_messages()


def _priority_group_messages() -> type[Message]:
    """`envoy/extensions/router/cluster_specifiers/priority_group/v3/priority_group.proto`, as Envoy 1.40 carries it."""
    field, pool = descriptor_pb2.FieldDescriptorProto, descriptor_pool.Default()
    package = "envoy.extensions.router.cluster_specifiers.priority_group.v3"
    file = descriptor_pb2.FileDescriptorProto(
        name="portico/envoy_priority_group.proto", package=package, syntax="proto3", dependency=["google/protobuf/wrappers.proto"]
    )
    weight = file.message_type.add(name="ClusterWeight")
    weight.field.add(name="cluster_name", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    weight.field.add(name="weight", number=2, type=field.TYPE_MESSAGE, label=field.LABEL_OPTIONAL, type_name=".google.protobuf.UInt32Value")
    group = file.message_type.add(name="PriorityGroup")
    group.field.add(name="name", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    for message, name, number, inner in (
        (group, "clusters", 2, "ClusterWeight"),
        (file.message_type.add(name="PriorityGroupClusterSpecifier"), "priority_groups", 1, "PriorityGroup"),
    ):
        message.field.add(name=name, number=number, type=field.TYPE_MESSAGE, label=field.LABEL_REPEATED, type_name=f".{package}.{inner}")
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.PriorityGroupClusterSpecifier"))


PriorityGroups: Any = _priority_group_messages()


def wire(number: int, data: bytes) -> bytes:
    """A field of a message, or of a text, that xds-protos does not know."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])
