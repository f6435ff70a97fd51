"""The protocol itself, by the official SDK: without sessions, and with an answer for each message.

Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
"""

import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

import httpx
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError

from apis.tools import WrongArguments
from gateway import measures
from gateway.database import AWAY, Database
from gateway.envoy.names import MCP_SECRET_HEADER
from gateway.mcp import calling
from gateway.mcp.credential import APPLICATION_HEADER, HANDED_HEADER, Credential
from gateway.mcp.offered import Place, Tool, tools_for

log = logging.getLogger(__name__)
NAME, VERSION = "portico", "1"
# Of a message; and tools of one page of a list.
MOST_BYTES = 4 * 1024 * 1024
PAGE = 100
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_Context = ServerRequestContext[Any, Any]
# ASGI's.
_Message: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[_Message]]
_Send: TypeAlias = Callable[[_Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Caller:
    client_id: str
    credential: Credential
    place: Place

    @property
    def scopes(self) -> Collection[str] | None:
        return self.credential.scopes


class Service:
    """An ASGI application; `running` for as long as it serves."""

    def __init__(self, *, secret: str, gateway: str, database: Database) -> None:
        """:param secret: what gateways prove themselves with. :param gateway: where one is."""
        self._secret = secret.encode()
        self._database = database
        self._http: httpx.AsyncClient = calling.client(gateway)
        server: Server[Any] = Server(NAME, version=VERSION, on_list_tools=self._list, on_call_tool=self._call)
        # Names of hosts are the gateway's to look at.
        anybody = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        self._manager = StreamableHTTPSessionManager(
            server, json_response=True, stateless=True, security_settings=anybody, max_request_body_size=MOST_BYTES
        )

    def running(self) -> AbstractAsyncContextManager[None]:
        return self._manager.run()

    async def close(self) -> None:
        await self._http.aclose()

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/healthz":
            await _answer(send, 200, {"status": "ok"})
        elif not self._is_a_gateway(scope):
            await _answer(send, 403, {"title": "Gateways alone may call this service."})
        elif scope["method"] != "POST":
            # A gateway answers so by itself.
            await _answer(send, 405, {"title": "Send messages by POST."})
        else:
            await self._manager.handle_request(scope, receive, send)

    def _is_a_gateway(self, scope: _Message) -> bool:
        said = next((value for name, value in scope["headers"] if name == MCP_SECRET_HEADER.encode()), b"")
        return hmac.compare_digest(said, self._secret)

    async def _list(self, context: _Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        found = await self._offered(_caller(context))
        start = _start(params.cursor if params else None)
        measures.MCP_LISTS.inc()
        more = str(start + PAGE) if start + PAGE < len(found) else None
        return types.ListToolsResult(tools=[_told(each) for each in found[start : start + PAGE]], next_cursor=more)

    async def _call(self, context: _Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        caller = _caller(context)
        tool = next((each for each in await self._offered(caller) if each.name == params.name), None)
        if tool is None:
            # Whether there is such a tool that others have is not for everybody to know.
            raise MCPError(types.INVALID_PARAMS, f"There is no tool {params.name[:80]!r} for this application.")
        began = time.perf_counter()
        try:
            result = await calling.call(self._http, tool.base, tool.shape.call(params.arguments or {}), caller.credential)
        except WrongArguments as wrong:
            result = calling.failed(str(wrong))
        measures.MCP_CALLS.labels("failed" if result.is_error else "answered").inc()
        measures.MCP_CALL.observe(time.perf_counter() - began)
        return result

    async def _offered(self, caller: _Caller) -> list[Tool]:
        try:
            return await self._database.ask(tools_for, caller.place, caller.client_id, caller.scopes)
        except AWAY:
            raise MCPError(types.INTERNAL_ERROR, "Portico's database does not answer. Try again in a moment.") from None


def _caller(context: _Context) -> _Caller:
    """Whom the gateway verified, and what the route is for."""
    # It comes by HTTP.
    request = context.request
    assert request is not None
    client_id, credential = request.headers.get(APPLICATION_HEADER, ""), Credential.of(request.headers.get(HANDED_HEADER, ""))
    parts = request.url.path.strip("/").split("/")
    if not client_id or credential is None or len(parts) not in {1, 3}:
        raise MCPError(types.INVALID_REQUEST, "The gateway does not say who calls.")
    return _Caller(client_id, credential, Place(*parts))


def _start(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdecimal() or len(cursor) > 6:
        raise MCPError(types.INVALID_PARAMS, "There is no such cursor.")
    return int(cursor)


def _told(tool: Tool) -> types.Tool:
    method = tool.shape.method
    hints = types.ToolAnnotations(
        title=tool.title,
        read_only_hint=method in _SAFE,
        destructive_hint=method in {"DELETE", "PUT", "PATCH"},
        idempotent_hint=method in {*_SAFE, "PUT", "DELETE"},
    )
    return types.Tool(name=tool.name, description=tool.description, input_schema=dict(tool.shape.schema), annotations=hints)


async def _answer(send: _Send, status: int, told: dict[str, str]) -> None:
    body = json.dumps(told).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
