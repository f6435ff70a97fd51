"""What comes in and goes out where the catalogue is put in order."""

from typing import Any

from rest_framework import serializers

from apis.actions.catalogue import LONGEST_CATEGORY
from apis.change_log import LIVE, OF_BROWN_OUTS, OF_VERSIONS
from apis.models import Category
from apis.serializers import ChangeOut
from tenants.serializers import Body, Text

KINDS = [(kind, kind) for kind in (LIVE, *OF_VERSIONS, *OF_BROWN_OUTS)]


class CategoryIn(Body):
    id = serializers.UUIDField(required=False)
    name = Text(max_length=LONGEST_CATEGORY)


class CategoriesIn(Body):
    categories = serializers.ListField(child=CategoryIn(), max_length=100)


class CategoryOut(serializers.ModelSerializer[Category]):
    class Meta:
        model = Category
        fields = ["id", "name"]


class CategoriesOut(serializers.Serializer[Any]):
    categories = CategoryOut(many=True)


class EntryOut(serializers.Serializer[Any]):
    """An apis.change_log.Entry.

    `revision` is the one that callers had from then on, `back` whether they had had it before. `breaking`, `risky` and `safe`: how many
    of the changes are so, of which `changes` are the first; null where nothing is compared, or not yet (`waits`).
    """

    id = serializers.UUIDField(source="pk")
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=KINDS)
    version = serializers.CharField()
    revision = serializers.IntegerField(source="number", allow_null=True)
    note = serializers.CharField()
    back = serializers.BooleanField()
    reason = serializers.CharField()
    sunset_at = serializers.DateTimeField(allow_null=True)
    successor = serializers.CharField()
    starts_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)
    breaking = serializers.IntegerField(source="counts.breaking", default=None)
    risky = serializers.IntegerField(source="counts.risky", default=None)
    safe = serializers.IntegerField(source="counts.safe", default=None)
    changes = ChangeOut(many=True, allow_null=True)
    waits = serializers.BooleanField()
