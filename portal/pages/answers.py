"""What an API asks, as fields of a form that asks for it, and what was answered, as readers see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apis.actions.request_forms import MOST_LONG, MOST_SHORT, mark
from apis.models import Api, FormQuestion, questions_of
from apis.models.request_form import Kind
from portal.forms import PageForm, Text
from tenants.errors import NotAllowed

YES_NO = (("yes", gettext_lazy("Yes")), ("no", gettext_lazy("No")))
_SAID = {True: gettext_lazy("Yes"), False: gettext_lazy("No")}


def name_of(question: FormQuestion, before: str = "") -> str:
    """Of its field, as actions name it where an answer does not fit."""
    return f"{before}answers.{question.key}"


def field_of(question: FormQuestion) -> forms.Field:
    common: dict[str, Any] = {"label": question.text, "help_text": question.help}
    wrong = {"invalid_choice": gettext_lazy("Choose one of these.")}
    match question.kind:
        case Kind.YES_NO:
            return forms.ChoiceField(choices=YES_NO, widget=forms.RadioSelect, required=question.required, error_messages=wrong, **common)
        case Kind.CHOICE:
            options = [("", _("Choose one")), *((each, each) for each in question.options)]
            return forms.ChoiceField(choices=options, required=question.required, error_messages=wrong, **common)
        case Kind.LONG:
            return Text(most=MOST_LONG, lines=4, empty=not question.required, **common)
        case _:
            return Text(most=MOST_SHORT, empty=not question.required, **common)


def fields_of(api: Api, before: str = "") -> dict[str, forms.Field]:
    """One for each question, and one that tells whether the page is old."""
    asked = questions_of(api)
    found = {name_of(each, before): field_of(each) for each in asked}
    if asked:
        found[f"{before}asked"] = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64, initial=mark(api))
    return found


def answers_in(typed: Mapping[str, Any], api: Api, before: str = "") -> dict[str, Any]:
    """As actions take them."""
    told = {each: typed.get(name_of(each, before)) for each in questions_of(api)}
    return {each.key: answer == "yes" if each.kind == Kind.YES_NO else answer for each, answer in told.items() if answer}


def check_asked(form: PageForm, api: Api, before: str = "") -> None:
    """
    :raises NotAllowed: the page was drawn before the questions changed; it is drawn with the new ones then.
    """
    name = f"{before}asked"
    if questions_of(api) and form.cleaned_data.get(name) != mark(api):
        form.put(name, mark(api))
        raise NotAllowed(_("What %(api)s asks has changed. Look at the questions once more.") % {"api": api})


@dataclass(frozen=True, slots=True)
class Said:
    question: str
    answer: str


def said(kept: Sequence[Mapping[str, Any]]) -> list[Said]:
    """What a request was answered with, in the words in which it was asked."""
    return [Said(each["question"], _word(each["answer"])) for each in kept]


def _word(answer: Any) -> str:
    return str(_SAID[answer]) if isinstance(answer, bool) else str(answer)
