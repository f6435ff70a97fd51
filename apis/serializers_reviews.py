"""What comes in and goes out where a second person looks at revisions."""

from rest_framework import serializers

from apis.models import Review
from tenants.serializers import Body, Text


class ReviewNeededIn(Body):
    needed = serializers.BooleanField()


class ReviewNeededOut(serializers.Serializer[None]):
    needed = serializers.BooleanField()


class ReviewIn(Body):
    note = Text(max_length=500, allow_blank=True, default="")


class ReviewOut(serializers.ModelSerializer[Review]):
    """`against`: the number of what callers had when it was asked for, null for nothing. `used_at`: when the revision went live by it."""

    api = serializers.CharField(source="revision.version.api.slug")
    version = serializers.CharField(source="revision.version.name")
    revision = serializers.IntegerField(source="revision.number")
    against = serializers.IntegerField(source="against.number", default=None)
    requested_by_name = serializers.CharField(source="requested_by.name")
    decided_by_name = serializers.CharField(source="decided_by.name", default=None)

    class Meta:
        model = Review
        fields = [
            "id",
            "status",
            "api",
            "version",
            "revision",
            "against",
            "requested_by",
            "requested_by_name",
            "requested_at",
            "note",
            "decided_by",
            "decided_by_name",
            "decided_at",
            "reason",
            "used_at",
        ]
