"""What a caller proved itself with, as the gateway hands it on: verified there, and used here for calls in the caller's name alone."""

import base64
import json
from dataclasses import dataclass, field

from gateway.envoy.credentials import API_KEY_HEADER, BEARER, PREFIXES
from gateway.envoy.names import APPLICATION_HEADER, HANDED_HEADER

__all__ = ["APPLICATION_HEADER", "HANDED_HEADER", "Credential"]
_ABSENT = "-"


@dataclass(frozen=True, slots=True)
class Credential:
    """`header` and `value`: as they go to the gateway again. No repr shows it."""

    header: str
    value: str = field(repr=False)

    @staticmethod
    def of(handed: str) -> "Credential | None":
        """What `gateway.envoy.mcp.HANDED_ON` made: the header Authorization, a space, the one of API keys; None where neither is there."""
        before, _, key = handed.rpartition(" ")
        if before and before != _ABSENT:
            return Credential("authorization", before)
        return Credential(API_KEY_HEADER, key) if key not in {"", _ABSENT} else None

    @property
    def scopes(self) -> frozenset[str] | None:
        """Those that an access token bears; None of an API key, which has all that its plan includes.

        The gateway has verified it, so it is only read here.
        """
        token = self.value.removeprefix(BEARER)
        if self.header == API_KEY_HEADER or token.startswith(PREFIXES):
            return None
        try:
            payload = token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return frozenset(claims.get("scope", "").split())
        except (ValueError, IndexError, AttributeError):
            # The gateway says what is wrong, once a tool is called.
            return frozenset()
