"""A document as callers should use it: served by the gateway, and secured by what Portico takes there.

The publisher's own servers and security are taken out wherever OpenAPI lets them stand; what upstreams ask for is no caller's business.
Extensions (`x-…`) stay as they are: what they mean, their authors alone know.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from apis.openapi_check import METHODS
from apis.openapi_references import mapping
from apis.openapi_security import Requirement, required, schemes

# To be counted up with each change of what is made here, so that nothing older is kept.
FORMAT = 1
TOKEN, KEY = "accessToken", "apiKey"
TOKEN_SAID = "A short-lived access token by client credentials (RFC 6749, section 4.4), sent as a bearer token."  # nosec B105  (a description)
KEY_SAID = "An API key of the application, where the API is called with one."


def published(document: Mapping[str, Any], *, address: str, token_url: str, scopes: Mapping[str, str]) -> dict[str, Any]:
    """OpenAPI 3.0 or 3.1, of the same version as it came; nothing of what is given is changed.

    :param address: of the version at the gateway, its one server. :param token_url: the tenant's token endpoint.
    :param scopes: that the document names, with what each allows (`Revision.scopes`).
    """
    return _Published(document).whole(address, token_url, scopes)


def made_from(revision: object, *, address: str, token_url: str) -> str:
    """What tells two of them apart without making them: 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps([FORMAT, str(revision), address, token_url]).encode()).hexdigest()


class _Published:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document, self.known = document, schemes(document)

    def whole(self, address: str, token_url: str, scopes: Mapping[str, str]) -> dict[str, Any]:
        found = {**self.document, "servers": [{"url": address}], "security": _alternatives(())}
        found["components"] = self._components(mapping(self.document.get("components")), token_url, scopes)
        if "paths" in found:
            found["paths"] = _each(found["paths"], self._path_item)
        if "webhooks" in found:
            found["webhooks"] = _each(found["webhooks"], self._called_back)
        return found

    def _components(self, given: Mapping[str, Any], token_url: str, scopes: Mapping[str, str]) -> dict[str, Any]:
        changes: dict[str, Callable[[Any], Any]] = {
            "pathItems": self._path_item,
            "callbacks": self._callback,
            "responses": self._response,
            "links": _without_server,
        }
        found = {name: _each(value, changes[name]) if name in changes else value for name, value in given.items()}
        flow = {"tokenUrl": token_url, "scopes": dict(scopes)}
        found["securitySchemes"] = {
            TOKEN: {"type": "oauth2", "description": TOKEN_SAID, "flows": {"clientCredentials": flow}},
            KEY: {"type": "apiKey", "description": KEY_SAID, "in": "header", "name": "X-API-Key"},
        }
        return found

    def _path_item(self, item: Any) -> Any:
        return self._item(item, self._operation)

    def _called_back(self, item: Any) -> Any:
        return self._item(item, self._operation_of_the_caller)

    def _item(self, item: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
        kept = {name: value for name, value in mapping(item).items() if name != "servers"}
        return {name: change(mapping(value)) if name.upper() in METHODS else value for name, value in kept.items()}

    def _callback(self, callback: Any) -> Any:
        return _each(callback, self._called_back)

    def _operation(self, given: dict[str, Any]) -> dict[str, Any]:
        found = self._bare(given)
        if needed := required(given.get("security", self.document.get("security")), self.known):
            found["security"] = _alternatives(needed)
        return found

    def _operation_of_the_caller(self, given: dict[str, Any]) -> dict[str, Any]:
        """What the API calls: how it proves itself there is between the two, and no token of ours."""
        return {**self._bare(given), "security": []}

    def _bare(self, given: dict[str, Any]) -> dict[str, Any]:
        found = {name: value for name, value in given.items() if name not in {"servers", "security"}}
        if "callbacks" in found:
            found["callbacks"] = _each(found["callbacks"], self._callback)
        if "responses" in found:
            found["responses"] = _each(found["responses"], self._response)
        return found

    def _response(self, response: Any) -> Any:
        return {**response, "links": _each(response["links"], _without_server)} if "links" in mapping(response) else response


def _alternatives(needed: Requirement) -> list[dict[str, list[str]]]:
    """A token with these scopes, or an API key, which has none and needs none at the gateway."""
    return [*({TOKEN: list(each)} for each in needed or ((),)), {KEY: []}]


def _each(given: Any, change: Callable[[Any], Any]) -> Any:
    """References and extensions stay as they are."""
    if not isinstance(given, dict) or isinstance(given.get("$ref"), str):
        return given
    return {name: change(value) if isinstance(value, dict) and not name.startswith("x-") else value for name, value in given.items()}


def _without_server(link: Any) -> Any:
    return {name: value for name, value in link.items() if name != "server"}
