"""What comes in and goes out where it is said where a version's document stands."""

from rest_framework import serializers

from apis import document_at
from apis.models import DocumentSource
from apis.serializers import NoteOut
from tenants.serializers import Body, Choice, Text


class SourceIn(Body):
    """`url` begins with https://."""

    url = Text(max_length=document_at.MAX_URL)
    every = Choice(choices=DocumentSource.Every.choices, default=DocumentSource.Every.DAILY)
    enabled = serializers.BooleanField(default=True)


class SourceOut(serializers.ModelSerializer[DocumentSource]):
    """`result` is of the last look, "" before the first, and `said` tells it in a sentence; `problems` are of a
    document that can't be read.

    `failures`: so many looks in a row. `next_at` is null while it is off.
    """

    result = serializers.ChoiceField(choices=DocumentSource.Result.choices, allow_blank=True)
    said = serializers.CharField(source="sentence")
    problems = NoteOut(many=True)

    class Meta:
        model = DocumentSource
        fields = ["url", "every", "enabled", "set_by", "looked_at", "next_at", "result", "said", "problems", "failures"]
