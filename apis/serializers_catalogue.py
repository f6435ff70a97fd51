"""What comes in and goes out where the catalogue is put in order."""

from typing import Any

from rest_framework import serializers

from apis.actions.catalogue import LONGEST_CATEGORY
from apis.models import Category
from tenants.serializers import Body, Text


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
