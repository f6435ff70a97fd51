"""What an API asks of those who request a subscription, as `Api.request_form` has it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from apis.models.api import Api


class Kind(models.TextChoices):
    SHORT = "short", _("A short text")
    LONG = "long", _("A long text")
    CHOICE = "choice", _("One of some options")
    YES_NO = "yes_no", _("Yes or no")


@dataclass(frozen=True, slots=True)
class FormQuestion:
    """`key` names it as long as it stands; `options` are of a choice."""

    key: str
    text: str
    help: str = ""
    kind: str = Kind.SHORT
    options: tuple[str, ...] = ()
    required: bool = True

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**{**stored, "options": tuple(stored["options"])})

    def as_stored(self) -> dict[str, Any]:
        return {**asdict(self), "kind": str(self.kind), "options": list(self.options)}


def questions_of(api: Api) -> list[FormQuestion]:
    """In the order in which they are asked."""
    return [FormQuestion.of(each) for each in api.request_form]
