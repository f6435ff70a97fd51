"""A reference service: its OpenAPI document, and a server that answers exactly what that says, by routes of its own."""

import http.server
import json
import re
from typing import Any
from urllib.parse import unquote

from apis.paths import UNRESERVED
from tests.live import Seen, Upstream

_TEXT = {"type": "string", "minLength": 1, "maxLength": 40}
# Paths by their templates, and the operations of each; it is about paths that differ in a slash, overlap or hold several parameters.
PATHS: dict[str, dict[str, str]] = {
    "/orders": {"get": "listOrders", "post": "createOrder"},
    "/orders/": {"get": "browseOrders"},
    "/orders/latest": {"get": "latestOrder"},
    "/orders/{id}": {"get": "getOrder", "put": "replaceOrder", "delete": "deleteOrder"},
    "/orders/{id}/": {"patch": "changeOrder"},
    "/orders/{id}/lines": {"get": "listLines", "post": "addLine"},
    "/orders/latest/lines": {"get": "latestLines", "head": "countLatestLines"},
    "/orders/{id}/lines/{line}": {"get": "getLine", "delete": "deleteLine"},
    "/files/{name}": {"get": "getFile", "put": "putFile"},
    "/files/{name}.json": {"get": "getFileAsJson"},
    "/{kind}/{id}/history": {"get": "anyHistory"},
    "/orders/{id}/history": {"get": "orderHistory"},
    "/customers/{customer}/orders/{order}/": {"get": "customersOrder", "options": "waysOfCustomersOrder"},
    "/status": {"head": "probe", "options": "ways"},
}
METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH")


def document() -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "Reference", "version": "1"},
        "paths": {path: _item(path, operations) for path, operations in PATHS.items()},
    }


def _item(path: str, operations: dict[str, str]) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", path)
    answers = {
        "type": "object",
        "required": ["operation", "parameters"],
        "properties": {"operation": {"type": "string"}, "parameters": {"type": "array", "items": {"type": "string"}}},
    }
    refused = {"type": "object", "required": ["status", "code", "detail"]}
    responses = {
        "200": {"description": "Its name, and what the path told", "content": {"application/json": {"schema": answers}}},
        "400": {"description": "No path that a gateway takes", "content": {"application/problem+json": {"schema": refused}}},
    }
    return {
        "parameters": [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names],
        **{method: {"operationId": name, "responses": responses} for method, name in operations.items()},
    }


def _expression(template: str) -> re.Pattern[str]:
    return re.compile("".join("([^/]+)" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", template)))


def _order(template: str) -> list[tuple[int, str]]:
    """What is written out comes before what is partly so, and that before a parameter (OpenAPI 3.1.1 section 4.8.8.2)."""
    return [(segment.count("{") and (1 if re.sub(r"\{\w+\}", "", segment) else 2), segment) for segment in template.split("/")]


_ROUTES = [(_expression(template), PATHS[template]) for template in sorted(PATHS, key=_order)]


def route(method: str, path: str) -> tuple[int, str, list[str]]:
    """What the service answers: the status, and where that is 200 the operation and the parameters of the path.

    :param path: below the service, without a query; compared as RFC 3986 section 6.2.2 has it, with one slash for several.
    """
    path = re.sub(r"%(..)", lambda escape: chr(int(escape[1], 16)) if chr(int(escape[1], 16)) in UNRESERVED else escape[0], path)
    path = re.sub(r"//+", "/", path)
    for expression, operations in _ROUTES:
        if found := expression.fullmatch(path):
            name = operations.get(method.lower())
            return (200, name, [unquote(each) for each in found.groups()]) if name else (405, "", [])
    return 404, "", []


class Reference(Upstream):
    """It notes the operations that were reached; `strays` are the calls that its document says nothing of."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.strays: list[Seen] = []
        super().__init__()

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("content-length", 0))
        handler.rfile.read(length)
        status, operation, parameters = route(handler.command, handler.path.partition("?")[0])
        if status == 200:
            self.reached.append(operation)
        else:
            self.strays.append(Seen(handler.command, handler.path, {}, length))
        content = json.dumps({"operation": operation, "parameters": parameters}).encode()
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)
