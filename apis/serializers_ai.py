"""What comes in and goes out about AI APIs: what they offer, and aliases."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apis.actions.ai_models import Askable
from apis.actions.aliases import MOST_NAME, MOST_TARGETS
from apis.ai import checking
from apis.ai.checking import MASKS, MOST_BLOCKED, MOST_MESSAGES, MOST_PATTERNS, MOST_PROMPTS, MOST_VARIABLES
from apis.ai.offer import BODY_KIB, MOST_MODELS, MOST_OFFERED, USUAL_BODY_KIB, Message, Offer, Pattern, Prompt, Rails, Variable
from apis.models import Api, ModelAlias, Revision
from apis.serializers_ai_offer import OfferOut
from apis.serializers_plans import PlanIn
from tenants.models import SLUG
from tenants.serializers import Body, Choice, Text

MOST_PLANS = 10
# Of the texts of a message.
MOST_TEXT = checking.MOST_TEXT


@extend_schema_field(OpenApiTypes.ANY)
class Scalar(serializers.Field[Any, Any, Any, Any]):
    """A text, a number, a boolean, or null."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str):
            return Text(max_length=checking.MOST_VALUE, allow_blank=True).run_validation(data)
        if data is None or isinstance(data, bool | int | float):
            return data
        raise serializers.ValidationError("Send a text, a number, a boolean or null.")

    def to_representation(self, value: Any) -> Any:
        return value


def _several(of: Body, most: int, **more: Any) -> serializers.ListSerializer[Any]:
    return serializers.ListSerializer(child=of, max_length=most, **more)


class TargetIn(Body):
    provider = Text(max_length=40)
    model = Text(max_length=120)


class AliasChangeIn(Body):
    """`targets`: who answers, in order, each provider once."""

    targets = _several(TargetIn(), MOST_TARGETS)


class AliasIn(AliasChangeIn):
    name = Text(max_length=MOST_NAME)


class TargetOut(serializers.Serializer[Any]):
    provider = serializers.CharField()
    model = serializers.CharField()


class AliasOut(serializers.ModelSerializer[ModelAlias]):
    targets = TargetOut(many=True)

    class Meta:
        model = ModelAlias
        fields = ["id", "name", "targets", "created_at"]


class VariableIn(Body):
    """`most`: characters of a string. `choices`: of a string. What is not required has a default."""

    name = Text(max_length=40)
    kind = Choice(choices=checking.KINDS, default="string")
    required = serializers.BooleanField(default=True)  # type: ignore[assignment]
    default = Scalar(default=None, allow_null=True)
    choices = serializers.ListField(child=Text(max_length=200), max_length=checking.MOST_CHOICES, default=list)
    most = serializers.IntegerField(min_value=1, max_value=checking.MOST_VALUE, default=4_000)


class PromptMessageIn(Body):
    role = Choice(choices=checking.ROLES)
    text = Text(max_length=MOST_TEXT, trim_whitespace=False)


class PromptIn(Body):
    """`messages` have {{name}} where a variable goes. `parameters`: temperature, top_p, max_tokens and the penalties."""

    name = Text(max_length=checking.MOST_NAME)
    title = Text(max_length=checking.MOST_TITLE)
    model = Text(max_length=MOST_OFFERED)
    variables = _several(VariableIn(), MOST_VARIABLES, required=False)
    messages = _several(PromptMessageIn(), MOST_MESSAGES)
    parameters = serializers.DictField(child=Scalar(), default=dict)


class PatternIn(Body):
    name = Text(max_length=30)
    regex = Text(max_length=200, trim_whitespace=False)


class RailsIn(Body):
    """`masks`: what is replaced in what callers send; `patterns`: what more is, by [name]. With `blocked` words a call is refused."""

    masks = serializers.ListField(child=Choice(choices=MASKS), max_length=len(MASKS), default=list)
    patterns = _several(PatternIn(), MOST_PATTERNS, required=False)
    blocked = serializers.ListField(child=Text(max_length=80), max_length=MOST_BLOCKED, default=list)
    body_kib = serializers.IntegerField(min_value=BODY_KIB[0], max_value=BODY_KIB[1], default=USUAL_BODY_KIB)


class OfferIn(Body):
    """`models`: what callers may ask for, each as “provider/model” or an alias."""

    models = serializers.ListField(child=Text(max_length=MOST_OFFERED), max_length=MOST_MODELS)
    prompts = _several(PromptIn(), MOST_PROMPTS, required=False)
    rails = RailsIn(required=False)
    note = Text(max_length=500, allow_blank=True, default="")


def offer_of(told: dict[str, Any]) -> Offer:
    """As apis.ai has it, of an OfferIn that was read."""
    rails = told.get("rails") or {}
    patterns = tuple(Pattern(**each) for each in rails.get("patterns", ()))
    read = Rails(tuple(rails.get("masks", ())), patterns, tuple(rails.get("blocked", ())), rails.get("body_kib", USUAL_BODY_KIB))
    return Offer(tuple(told["models"]), tuple(map(_prompt, told.get("prompts", ()))), read)


def _prompt(told: dict[str, Any]) -> Prompt:
    variables = tuple(Variable(**{**each, "choices": tuple(each["choices"])}) for each in told.get("variables", ()))
    messages = tuple(Message(**each) for each in told["messages"])
    return Prompt(told["name"], told["title"], told["model"], variables, messages, dict(told["parameters"]))


class AiApiIn(OfferIn):
    """With its first plans, which are offered at once."""

    slug = Text(max_length=40, validators=[SLUG])
    name = Text(max_length=80)
    description = Text(max_length=5000, allow_blank=True, default="")
    plans = _several(PlanIn(), MOST_PLANS)
    visibility = Choice(choices=Api.Visibility.choices, default=Api.Visibility.PUBLIC)
    teams = serializers.ListField(child=serializers.UUIDField(), max_length=100, default=list)


class OfferedOut(OfferOut):
    """What the newest revision offers; `live`: whether callers have it."""

    revision = serializers.IntegerField()
    live = serializers.BooleanField()

    @staticmethod
    def told(revision: Revision) -> dict[str, Any]:
        return {**(revision.ai or {}), "revision": revision.number, "live": revision.version.live_revision_id == revision.pk}


class AskableOut(serializers.Serializer[Askable]):
    """`formats`: in which it can be asked. `alias`: whether it stands for models."""

    name = serializers.CharField()
    alias = serializers.BooleanField()
    formats = serializers.ListField(child=serializers.CharField())


class ApiModelOut(serializers.Serializer[Any]):
    """What callers may ask for. Prices are those of a million tokens, of the model that is asked first; null where they are not known."""

    name = serializers.CharField()
    formats = serializers.ListField(child=serializers.CharField())
    answers = serializers.ListField(child=serializers.CharField())
    context = serializers.IntegerField(allow_null=True)  # type: ignore[assignment]
    input = serializers.DecimalField(max_digits=12, decimal_places=6, allow_null=True, normalize_output=True)
    output = serializers.DecimalField(max_digits=12, decimal_places=6, allow_null=True, normalize_output=True)
    cached = serializers.DecimalField(max_digits=12, decimal_places=6, allow_null=True, normalize_output=True)
    currency = serializers.CharField(allow_null=True)


class AskablesOut(serializers.Serializer[Any]):
    models = AskableOut(many=True)


class ApiModelsOut(serializers.Serializer[Any]):
    models = ApiModelOut(many=True)
