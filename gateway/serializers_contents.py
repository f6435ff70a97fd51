"""What goes out of what callers asked models, and what these answered."""

from typing import Any

from rest_framework import serializers

from apis.ai import conversation
from gateway.contents import Opened
from gateway.models import LoggedContent


class LoggedContentOut(serializers.ModelSerializer[LoggedContent]):
    """`model`: as it was asked for. `streamed`: whether the answer came piece by piece. `request_cut` and `answer_cut`: there was more."""

    application_name = serializers.CharField(source="application.name")
    model = serializers.CharField(source="asked")
    duration_ms = serializers.SerializerMethodField()

    class Meta:
        model = LoggedContent
        fields = [
            "id", "at", "application", "application_name", "subscription", "request_id", "operation", "model", "status", "duration_ms",
            "streamed", "request_cut", "answer_cut",
        ]  # fmt: skip

    def get_duration_ms(self, row: LoggedContent) -> float:
        return row.us / 1000


class OpenedContentOut(LoggedContentOut):
    """`request` and `answer` as they were sent, null where they were not kept; of a stream the text that it brought."""

    request = serializers.CharField(allow_null=True)
    answer = serializers.CharField(allow_null=True)

    class Meta(LoggedContentOut.Meta):
        fields = [*LoggedContentOut.Meta.fields, "request", "answer"]


def shown(row: LoggedContent, opened: Opened) -> dict[str, Any]:
    """A serializer of the row would tell what is encrypted."""
    answer = conversation.unescaped(opened.answer) if row.streamed and opened.answer is not None else opened.answer
    return {**LoggedContentOut(row).data, "request": opened.request, "answer": answer}
