"""What comes in and goes out where a request begins."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apis.actions.request_forms import MOST_HELP, MOST_KEY, MOST_LONG, MOST_OPTION, MOST_OPTIONS, MOST_TEXT
from apis.models import FormQuestion
from apis.models.request_form import Kind
from apis.serializers_content_logging import agreed_in_request
from tenants import limits
from tenants.serializers import Body, Choice, Text


@extend_schema_field({"oneOf": [{"type": "string", "maxLength": MOST_LONG}, {"type": "boolean"}]})
class AnswerField(serializers.Field[Any, Any, Any, Any]):
    """A text, or true or false."""

    def to_internal_value(self, data: Any) -> Any:
        return data if isinstance(data, bool) else Text(max_length=MOST_LONG, allow_blank=True).run_validation(data)

    def to_representation(self, value: Any) -> Any:
        return value


class AnswersIn(serializers.DictField):
    """By the keys of the API's questions."""

    child = AnswerField()

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and len(data) > limits.QUESTIONS_PER_API:
            raise serializers.ValidationError("There are more answers than an API may ask questions.")
        return super().to_internal_value(data)


class KeptAnswerOut(serializers.Serializer[Any]):
    """`question`: its words as they were when it was answered."""

    key = serializers.CharField()
    question = serializers.CharField()
    answer = AnswerField()


class FormQuestionIn(Body):
    """`key` names it in answers; left out, it is made of the words. `options` are of a choice."""

    key = Text(max_length=MOST_KEY, required=False, allow_blank=True)
    text = Text(max_length=MOST_TEXT)
    help = Text(max_length=MOST_HELP, allow_blank=True, default="")
    kind = Choice(choices=Kind.choices, default=Kind.SHORT)
    options = serializers.ListField(child=Text(max_length=MOST_OPTION), max_length=MOST_OPTIONS, required=False)
    # Fields are taken off their class, so it hides nothing.
    required = serializers.BooleanField(default=True)  # type: ignore[assignment]


def question(told: dict[str, Any]) -> FormQuestion:
    """What came in, as actions take it."""
    return FormQuestion.of({"key": "", "options": [], **told})


class RequestFormIn(Body):
    """All questions, in their order; what is left out is asked no more."""

    questions = FormQuestionIn(many=True)


class FormQuestionOut(serializers.Serializer[FormQuestion]):
    key = serializers.CharField()
    text = serializers.CharField()
    # Fields are taken off their class, so they hide nothing.
    help = serializers.CharField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    options = serializers.ListField(child=serializers.CharField())
    required = serializers.BooleanField()  # type: ignore[assignment]


class RequestFormOut(serializers.Serializer[Any]):
    questions = FormQuestionOut(many=True)


class WantedIn(Body):
    api = Text(max_length=40)
    plan = Text(max_length=40)
    answers = AnswersIn(required=False)
    logging_agreed = serializers.IntegerField(**agreed_in_request())


class RequestsIn(Body):
    """Each of `requests` becomes a subscription of its own, or none does."""

    application = serializers.UUIDField()
    purpose = Text(max_length=500)
    requests = serializers.ListField(child=WantedIn(), allow_empty=False, max_length=limits.REQUESTS_AT_ONCE)


class AddedIn(Body):
    """`reason`: the application's people read it, and it stands with the subscription as what it is for."""

    application = serializers.UUIDField()
    api = Text(max_length=40)
    plan = Text(max_length=40)
    reason = Text(max_length=500)
