"""Requests to the portal: signed in, sent again where no answer came, and refused in its words."""

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import httpx

from cli import session as sessions
from cli.refusals import Refused, Usage
from cli.session import Session

TIMES = 4
LONGEST_WAIT = 30.0
# Of a large description the documents are read first.
SECONDS = 600.0
_AGAIN = {429, 503}


class Problem(Refused):
    """A refusal in the portal's words: `errors` by the path of what can't be used."""

    def __init__(self, status: int, told: Mapping[str, Any]) -> None:
        self.status, self.code = status, told.get("code", "")
        self.errors: dict[str, list[str]] = told.get("errors") or {}
        super().__init__(told.get("detail") or f"The portal answered {status}.")

    def __str__(self) -> str:
        lines = [f"  {path}: {sentence}" for path, sentences in self.errors.items() for sentence in sentences]
        return "\n".join([super().__str__(), *lines])


class Portal:
    """One session's."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.http = httpx.Client(base_url=session.url, timeout=httpx.Timeout(30.0, read=SECONDS), headers={"User-Agent": "portico-cli"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.http.close()

    @property
    def tenant(self) -> str:
        if not self.session.tenant:
            raise Usage(f"Name the tenant: --tenant, or {sessions.TENANT}.")
        # It stands in a path.
        if not all(each.isascii() and (each.isalnum() or each == "-") for each in self.session.tenant):
            raise Usage(f"“{self.session.tenant}” is no tenant's slug.")
        return f"/api/v1/tenants/{self.session.tenant}/"

    def get(self, path: str) -> Any:
        return self._told(self._signed("GET", path))

    def post(self, path: str, body: Any = None) -> Any:
        """A change, with a key of its own: sent again, it is done once."""
        return self._told(self._signed("POST", path, body, {"Idempotency-Key": str(uuid.uuid4())}))

    def all(self, path: str) -> Iterator[Any]:
        """Every entry of a list."""
        following = f"{path}{'&' if '?' in path else '?'}limit=200"
        while following:
            page = self.get(following)
            yield from page["results"]
            following = page.get("next") or ""
            if following:
                # As it is, but at the portal that we speak to, whatever it is called from inside.
                following = httpx.URL(following).raw_path.decode()

    def sign_in(self, email: str, password: str, code: str = "") -> Session:
        told = self._told(
            self._send("POST", "/api/v1/session/", {"email": email, "password": password, **({"code": code} if code else {})})
        )
        return replace(self.session, email=email, access=told["access"], refresh=told["refresh"])

    def sign_out(self) -> None:
        answer = self._send("DELETE", "/api/v1/session/", {"refresh": self.session.refresh})
        if answer.status_code not in {204, 401}:
            self._told(answer)

    def _signed(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> httpx.Response:
        answer = self._send(method, path, body, headers)
        if answer.status_code == 401 and self.session.refresh:
            self._renew()
            answer = self._send(method, path, body, headers)
        return answer

    def _renew(self) -> None:
        with sessions.alone():
            found = sessions.kept()
            if found is not None and found.access != self.session.access and found.url == self.session.url:
                # Another command was first.
                self.session = replace(found, tenant=self.session.tenant)
                return
            answer = self._send("POST", "/api/v1/session/refresh/", {"refresh": self.session.refresh}, again=False)
            if answer.status_code != 200:
                raise Refused("Your session has ended. Sign in again: portico sign-in.")
            told = answer.json()
            self.session = replace(self.session, access=told["access"], refresh=told["refresh"])
            if found is not None:
                sessions.keep(replace(self.session, tenant=found.tenant))

    def _send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, *, again: bool = True
    ) -> httpx.Response:
        signed = (
            {"Authorization": f"Bearer {self.session.access}"} if self.session.access and not path.startswith("/api/v1/session/") else {}
        )
        for number in range(1, TIMES + 1):
            last = number == TIMES or not again
            try:
                answer = self.http.request(method, path, json=body, headers={**signed, **(headers or {})})
            except httpx.TransportError as error:
                if last:
                    raise Refused(f"{self.session.url} does not answer: {error}.") from None
                time.sleep(2 ** (number - 2))
                continue
            if answer.status_code not in _AGAIN or last:
                break
            wait = answer.headers.get("Retry-After", "")
            seconds = float(wait) if wait.isdigit() else 1.0
            if seconds > LONGEST_WAIT:
                break
            time.sleep(seconds)
        return answer

    def _told(self, answer: httpx.Response) -> Any:
        if answer.is_success:
            return answer.json() if answer.content else None
        try:
            told = answer.json()
        except ValueError:
            told = {}
        raise Problem(answer.status_code, told if isinstance(told, dict) else {})
