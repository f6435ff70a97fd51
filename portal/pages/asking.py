"""Asking once before something is done: a page of its own, and the same fragment in a dialog."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django_htmx.http import HttpResponseLocation, trigger_client_event

from portal.forms import PageForm
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event


@dataclass(frozen=True, slots=True)
class Note:
    """What to know before one answers; `tone` is "wait" or "bad" where it speaks against it."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """What is concerned, by name: `says` ends with a colon."""

    says: str
    names: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`says` names what will happen before it does, `lists` to what; `done` is told afterwards, at `back`."""

    title: str
    says: str
    button: str
    back: str
    done: str
    danger: bool = False
    note: Note | None = None
    lists: Sequence[Listed] = ()
    # A fragment that stands beneath it, as a template made it.
    more: str = ""


def in_dialog(request: HttpRequest) -> bool:
    htmx = getattr(request, "htmx", None)
    return htmx is not None and bool(htmx) and htmx.target == "dialog"


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """That a form was carried out, and what the action gave."""

    result: T


def carried_out(request: HttpRequest, form: PageForm, act: Callable[[dict[str, Any]], T]) -> Done[T] | None:
    """POST does it, in one transaction with the claim; None where the form is shown, with `form.http_status` and what speaks against it.

    :param act: gets the form's data.
    """
    if request.method != "POST":
        return None
    form.http_status = 422
    if not form.is_valid():
        return None
    try:
        with transaction.atomic():
            form.claim()
            return Done(act(form.cleaned_data))
    except NotAllowed as refusal:
        form.http_status = 409
        form.refuse(refusal)
    except Invalid as refusal:
        form.refuse(refusal)
    return None


def ask(request: HttpRequest, question: Question, form: PageForm, act: Callable[[dict[str, Any]], Event | None]) -> HttpResponse:
    """GET asks; POST does it, or asks again with what is wrong and all that was typed.

    :param act: gets the form's data; returns the event whose receipt the page then shows.
    """
    if done := carried_out(request, form, act):
        return finished(request, back=question.back, said=question.done, event=done.result)
    return asked(request, question, form, status=form.http_status)


def asked(request: HttpRequest, question: Question, form: PageForm, *, status: int = 200) -> HttpResponse:
    """The question itself, for a page that carries out what it asks in transactions of its own."""
    template = "components/ask.html" if in_dialog(request) else "ask.html"
    return render(request, template, {"question": question, "form": form, "in_dialog": in_dialog(request)}, status=status)


def finished(request: HttpRequest, *, back: str, said: str, event: Event | None = None) -> HttpResponse:
    """Go to `back` and say what was done, with its receipt."""
    messages.success(request, said, extra_tags=f"event-{event.number}" if event else "")
    return _back(request, back)


def nothing_to_ask(request: HttpRequest, *, back: str, says: str) -> HttpResponse:
    """For a question that makes no sense here: go to `back`, which says why."""
    messages.info(request, says)
    return _back(request, back)


def _back(request: HttpRequest, back: str) -> HttpResponse:
    if in_dialog(request):
        answer = HttpResponseLocation(back, target="#app", select="#app", swap="outerHTML")
        return trigger_client_event(answer, "close-dialog")
    return redirect(back)
