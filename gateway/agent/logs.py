"""Envoy's access logs on their way to usage: the agent adds the credential, which Envoy does not have, and reads nothing of them."""

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

log = logging.getLogger(__name__)

SERVICE, METHOD = "envoy.service.accesslog.v3.AccessLogService", "StreamAccessLogs"


def add(server: grpc.aio.Server, channel: Callable[[], grpc.aio.Channel], credential: Callable[[], str]) -> None:
    """Serve them at `server`. What usage does not take is lost, as it is where Envoy sends it there itself."""

    async def relay(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        async with channel() as to:
            call = to.stream_unary(f"/{SERVICE}/{METHOD}", None, None)(None, metadata=(("authorization", f"Bearer {credential()}"),))
            try:
                async for message in requests:
                    await call.write(message)
                await call.done_writing()
                answer: bytes = await call
                return answer
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details() or "")
                raise
            finally:
                call.cancel()

    # Without serializers the messages are bytes.
    handler = grpc.stream_unary_rpc_method_handler(relay)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
