"""What comes in and goes out about providers of AI models. A key comes in and never goes out."""

from typing import Any

from rest_framework import serializers

from apis.actions.provider_keys import MOST_KEY, sentence
from apis.ai.catalogue import FORMATS, MOST_CONTEXT, MOST_PREFIX, MOST_VALUE, Catalogue, Kind
from apis.models import FormerPrice, Provider, ProviderKey, ProviderModel
from apis.models.provider import FIRST_BYTE_MS, PRIORITIES, SILENCE_MS, WEIGHTS
from tenants.serializers import Body, Choice, Text


class DialectIn(Body):
    """`value` is what `header` says, with `{key}` in the place of the key. The path of a call is that of the base URL, then `prefix`.

    `include_usage`: whether streams of chat are asked for their usage; without it their tokens are not counted.
    """

    format = Choice(choices=FORMATS)
    prefix = Text(max_length=MOST_PREFIX, allow_blank=True)
    header = Text(max_length=80)
    value = Text(max_length=MOST_VALUE)
    include_usage = serializers.BooleanField(default=True)


class DialectOut(serializers.Serializer[Any]):
    format = serializers.CharField()
    prefix = serializers.CharField()
    header = serializers.CharField()
    value = serializers.CharField()
    # Of those that were written down before it was asked.
    include_usage = serializers.BooleanField(default=True)


def _price_out() -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=12, decimal_places=6, allow_null=True, normalize_output=True)


class KindModelOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    context = serializers.IntegerField(allow_null=True)  # type: ignore[assignment]
    input = _price_out()
    output = _price_out()
    cached = _price_out()


class ProviderKindOut(serializers.Serializer[Kind]):
    """`url` is "" where every customer has another. `source`: whose page the prices are of."""

    key = serializers.CharField()
    name = serializers.CharField()
    url = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    dialects = DialectOut(many=True)
    models = KindModelOut(many=True)


class ProviderKindsOut(serializers.Serializer[Catalogue]):
    """`as_of`: when the prices were written down, per million tokens, in `currency`."""

    as_of = serializers.DateField()
    currency = serializers.CharField()
    kinds = ProviderKindOut(many=True)


def _number(bounds: tuple[int, int], **more: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=bounds[0], max_value=bounds[1], **more)


def _key() -> serializers.CharField:
    return serializers.CharField(max_length=MOST_KEY, trim_whitespace=False, write_only=True)


class ProviderIn(Body):
    """What is left out is as `provider-kinds/` has it, the slug that of the kind. `key` is the first one, with the label “1”."""

    kind = Text(max_length=20)
    slug = Text(max_length=40, required=False)
    name = Text(max_length=80, required=False)
    url = Text(max_length=800, required=False)
    key = serializers.CharField(max_length=MOST_KEY, trim_whitespace=False, write_only=True, required=False)
    dialects = DialectIn(many=True, required=False)
    first_byte_ms = _number(FIRST_BYTE_MS, required=False)
    silence_ms = _number(SILENCE_MS, required=False)


class ProviderChangeIn(Body):
    """What is left out stays; `dialects` are all from then on."""

    name = Text(max_length=80, required=False)
    url = Text(max_length=800, required=False)
    dialects = DialectIn(many=True, required=False)
    first_byte_ms = _number(FIRST_BYTE_MS, required=False)
    silence_ms = _number(SILENCE_MS, required=False)


class ProviderOut(serializers.ModelSerializer[Provider]):
    url = serializers.CharField()
    dialects = DialectOut(many=True)

    class Meta:
        model = Provider
        fields = ["id", "slug", "name", "kind", "url", "dialects", "first_byte_ms", "silence_ms", "created_at"]


class ProviderKeyIn(Body):
    label = Text(max_length=80)  # type: ignore[assignment]
    key = _key()
    priority = _number(PRIORITIES, default=1)
    weight = _number(WEIGHTS, default=1)


class ProviderKeyChangeIn(Body):
    """What is left out stays. With `on` false it gets no calls; with true also one that was refused or used up is tried again."""

    label = Text(max_length=80, required=False)  # type: ignore[assignment]
    priority = _number(PRIORITIES, required=False)
    weight = _number(WEIGHTS, required=False)
    on = serializers.BooleanField(required=False)


class ProviderKeyOut(serializers.ModelSerializer[ProviderKey]):
    """Never the key: `last_four` are its last characters, "" of a short one. `why`: what came back, in a sentence.

    `state_until`: when it gets calls again by itself; null where somebody has to see to it.
    """

    why = serializers.SerializerMethodField()

    class Meta:
        model = ProviderKey
        fields = [
            "id", "label", "last_four", "priority", "weight", "state", "state_since", "state_until", "why", "tested_at",
            "created_at",
        ]  # fmt: skip

    def get_why(self, key: ProviderKey) -> str:
        return sentence(key.state_reason, key.provider, status=key.answered)


class ProviderKeyTestedOut(serializers.Serializer[Any]):
    """`sentence` says what came back; `models`: how many the provider has for this key."""

    works = serializers.BooleanField()
    found = serializers.CharField()
    models = serializers.IntegerField()
    sentence = serializers.CharField()
    key = ProviderKeyOut()


def _price_in(**more: Any) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=12, decimal_places=6, min_value=0, allow_null=True, **more)


class ProviderModelChangeIn(Body):
    """Prices are those of a million tokens, null where they are not known; what is left out stays."""

    name = Text(max_length=120, required=False)
    context = _number((1, MOST_CONTEXT), allow_null=True, required=False)  # type: ignore[assignment]
    input = _price_in(required=False)
    output = _price_in(required=False)
    cached = _price_in(required=False)
    currency = Text(max_length=3, required=False)


class ProviderModelIn(ProviderModelChangeIn):
    """Prices are those of a million tokens; what is left out is not known, the currency that of the catalogue."""

    name = Text(max_length=120)


class FormerPriceOut(serializers.ModelSerializer[FormerPrice]):
    input = _price_out()
    output = _price_out()
    cached = _price_out()

    class Meta:
        model = FormerPrice
        fields = ["input", "output", "cached", "currency", "since", "until"]


class ProviderModelOut(serializers.ModelSerializer[ProviderModel]):
    """`prices_since`: from when on the prices count."""

    input = _price_out()
    output = _price_out()
    cached = _price_out()

    class Meta:
        model = ProviderModel
        fields = ["id", "name", "context", "input", "output", "cached", "currency", "prices_since"]


class ProviderModelDetailOut(ProviderModelOut):
    """With what it cost before, the newest first."""

    former_prices = serializers.SerializerMethodField()

    class Meta(ProviderModelOut.Meta):
        fields = [*ProviderModelOut.Meta.fields, "former_prices"]

    def get_former_prices(self, model: ProviderModel) -> list[dict[str, Any]]:
        return list(FormerPriceOut(model.former_prices.order_by("-since"), many=True).data)
