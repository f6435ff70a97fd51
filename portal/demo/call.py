"""What the parts of the demo have in common: a call, an answer that was expected, and a step that failed."""

from dataclasses import dataclass
from typing import Any

import httpx


class StepFailed(AssertionError):  # noqa: N818  (reads as the sentence it is)
    """Something did not go as promised."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation, called with one token."""

    url: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def expect(answer: httpx.Response, status: int) -> Any:
    """The answer's content.

    :raises StepFailed: it has another status.
    """
    if answer.status_code != status:
        raise StepFailed(f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}: {answer.text[:500]}")
    return answer.json() if answer.content else None
