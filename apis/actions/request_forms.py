"""What an API asks of those who request a subscription, and what they answer.

An answer is kept with the words in which it was asked: what is asked later changes no request that was made before.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from django.db import transaction
from django.utils.formats import number_format
from django.utils.text import slugify
from django.utils.translation import gettext as _

from apis.models import Api, FormQuestion, questions_of
from apis.models.request_form import Kind
from tenants import events, limits
from tenants.errors import Invalid, NotAllowed
from tenants.lifecycle import Data
from tenants.models import Event, User

# By the keys of questions: a text, and for “yes or no” a truth.
Answers: TypeAlias = Mapping[str, Any]
KEY = re.compile(r"[a-z0-9](?:-?[a-z0-9])*\Z")
MOST_KEY, MOST_TEXT, MOST_HELP = 40, 200, 500
LEAST_OPTIONS, MOST_OPTIONS, MOST_OPTION = 2, 20, 100
# Characters of an answer.
MOST_SHORT, MOST_LONG = 200, 2_000
# So many characters of a question and of its answer an event tells; the subscription has all.
TOLD = 100


# --- what is asked ---------------------------------------------------------------------------------------------------


@transaction.atomic
def set_form(api: Api, questions: Sequence[FormQuestion], *, by: User) -> Event | None:
    """Ask these, in this order, of whoever requests it from now on. None if nothing changed.

    :raises Invalid: too many, or one that can't be asked.
    """
    events.lock()
    was = _again(api)
    return _write(api, was, questions, by=by)


@transaction.atomic
def add(api: Api, question: FormQuestion, *, by: User) -> Event | None:
    """Ask this as well, last."""
    events.lock()
    was = _again(api)
    return _write(api, was, [*was, question], by=by)


@transaction.atomic
def change(api: Api, key: str, question: FormQuestion, *, by: User) -> Event | None:
    """Ask this in place of the one with this key, which it keeps."""
    events.lock()
    was = _again(api)
    at = _place(was, key)
    return _write(api, was, [*was[:at], _keyed(question, key), *was[at + 1 :]], by=by)


@transaction.atomic
def remove(api: Api, key: str, *, by: User) -> Event | None:
    """Ask it no more."""
    events.lock()
    was = _again(api)
    at = _place(was, key)
    return _write(api, was, [*was[:at], *was[at + 1 :]], by=by)


@transaction.atomic
def move(api: Api, key: str, *, up: bool, by: User) -> Event | None:
    """Ask it one place earlier or later; None if it stands there already."""
    events.lock()
    was = _again(api)
    at = _place(was, key)
    to = max(0, min(len(was) - 1, at + (-1 if up else 1)))
    now = [*was[:at], *was[at + 1 :]]
    now.insert(to, was[at])
    return _write(api, was, now, by=by)


def _again(api: Api) -> list[FormQuestion]:
    """As it is now, under the lock."""
    api.refresh_from_db(fields=["request_form"])
    return questions_of(api)


def _place(questions: Sequence[FormQuestion], key: str) -> int:
    at = next((number for number, each in enumerate(questions) if each.key == key), None)
    if at is None:
        raise NotAllowed(_("Somebody has removed this question meanwhile."))
    return at


def _keyed(question: FormQuestion, key: str) -> FormQuestion:
    return FormQuestion.of({**question.as_stored(), "key": key})


def _with_keys(questions: Sequence[FormQuestion]) -> list[FormQuestion]:
    """Each with a key: its own, or one made of its words that no other has."""
    taken, named = {each.key for each in questions}, []
    for each in questions:
        made = re.sub(r"[^a-z0-9]+", "-", slugify(each.text)[: MOST_KEY - 3]).strip("-") or "question"
        key = each.key or next(key for key in (made, *(f"{made}-{number}" for number in range(2, 99))) if key not in taken)
        taken.add(key)
        named.append(_keyed(each, key))
    return named


def _write(api: Api, was: Sequence[FormQuestion], now: Sequence[FormQuestion], *, by: User) -> Event | None:
    # Counted before keys are made of them.
    _not_too_many(now)
    now = _with_keys(now)
    _check(now)
    if list(was) == list(now):
        return None
    api.request_form = [each.as_stored() for each in now]
    api.save(update_fields=["request_form"])
    texts: Data = {"was": [each.text[:TOLD] for each in was], "now": [each.text[:TOLD] for each in now]}
    return events.record("api.request_form_changed", api, by=by, **texts)


def _not_too_many(questions: Sequence[FormQuestion]) -> None:
    if len(questions) > limits.QUESTIONS_PER_API:
        most = number_format(limits.QUESTIONS_PER_API, force_grouping=True)
        raise Invalid({"questions": [_("An API asks at most %(most)s questions; remove one first.") % {"most": most}]})


def _check(questions: Sequence[FormQuestion]) -> None:
    problems: dict[str, list[str]] = {}
    keys: set[str] = set()
    for each in questions:
        if not KEY.match(each.key) or len(each.key) > MOST_KEY:
            problems.setdefault("key", []).append(_("Use lower-case letters, digits and single hyphens, up to 40."))
        elif each.key in keys:
            problems.setdefault("key", []).append(_("Two questions have the key “%(key)s”.") % {"key": each.key})
        keys.add(each.key)
        for name, most in (("text", MOST_TEXT), ("help", MOST_HELP)):
            if len(getattr(each, name)) > most:
                problems.setdefault(name, []).append(_("At most %(most)s characters.") % {"most": most})
        if not each.text.strip():
            problems.setdefault("text", []).append(_("Say what is asked."))
        if each.kind not in Kind.values:
            problems.setdefault("kind", []).append(_("Choose one of these."))
        if wrong := _wrong_with_options(each):
            problems.setdefault("options", []).append(wrong)
    if problems:
        raise Invalid(problems)


def _wrong_with_options(question: FormQuestion) -> str:
    options = question.options
    if question.kind != Kind.CHOICE:
        return _("Only a choice has options.") if options else ""
    if not LEAST_OPTIONS <= len(options) <= MOST_OPTIONS:
        return _("Give from %(least)s to %(most)s options.") % {"least": LEAST_OPTIONS, "most": MOST_OPTIONS}
    if any(not each.strip() or len(each) > MOST_OPTION for each in options):
        return _("Each option has from 1 to %(most)s characters.") % {"most": MOST_OPTION}
    if len(set(options)) < len(options):
        return _("An option stands there twice.")
    return ""


# --- what is answered ------------------------------------------------------------------------------------------------


def answered(api: Api, answers: Answers) -> list[dict[str, Any]]:
    """As a request keeps them, each with its question's words as they are now, under the lock.

    :raises Invalid: one is missing, does not fit, or answers nothing that is asked; by “answers.<key>”.
    """
    events.require_lock()
    asked = _again(api)
    problems: dict[str, list[str]] = {}
    if unknown := sorted(set(answers) - {each.key for each in asked}):
        problems["answers"] = [_("%(api)s asks nothing with the key “%(key)s”.") % {"api": api, "key": unknown[0][:MOST_KEY]}]
    kept = []
    for each in asked:
        given = answers.get(each.key)
        given = given.strip() if isinstance(given, str) else given
        if given is None or given == "":
            if each.required:
                problems[f"answers.{each.key}"] = [_("Answer this.")]
        elif wrong := _wrong_with(each, given):
            problems[f"answers.{each.key}"] = [wrong]
        else:
            kept.append({"key": each.key, "question": each.text, "kind": str(each.kind), "answer": given})
    if problems:
        raise Invalid(problems)
    return kept


def _wrong_with(question: FormQuestion, given: Any) -> str:
    if question.kind == Kind.YES_NO:
        return "" if isinstance(given, bool) else _("Answer yes or no.")
    if not isinstance(given, str):
        return _("Answer with a text.")
    if question.kind == Kind.CHOICE:
        return "" if given in question.options else _("Choose one of the options.")
    most = MOST_LONG if question.kind == Kind.LONG else MOST_SHORT
    if len(given) > most:
        return _("This has %(many)s characters; %(most)s are the most.") % {"many": len(given), "most": most}
    return ""


def told(kept: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The beginnings of what was asked and answered, for an event: of ten long answers none floods its readers."""
    return [{"question": each["question"][:TOLD], "answer": _beginning(each["answer"])} for each in kept]


def _beginning(answer: Any) -> Any:
    return answer if isinstance(answer, bool) or len(answer) <= TOLD else f"{answer[: TOLD - 1]}…"


def mark(api: Api) -> str:
    """Changes with what is asked: a page that was drawn before tells by it that it is old."""
    return hashlib.sha256(json.dumps(api.request_form, sort_keys=True).encode()).hexdigest()[:16]
