"""What comes in and goes out about keeping what callers ask models and what these answer."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apis.actions.content_logging import DAYS, Standing
from apis.models import MOST_CONSENT, MOST_DAYS, ContentLogging
from tenants.serializers import Body, Text

MOST_VERSION = 2**31 - 1


class ContentLoggingIn(Body):
    """All of it; what is left out has its default."""

    enabled = serializers.BooleanField()
    requests = serializers.BooleanField(default=True)
    answers = serializers.BooleanField(default=True)
    days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS, default=DAYS)
    consent = Text(max_length=MOST_CONSENT, allow_blank=True, default="")


class KeptOut(serializers.ModelSerializer[ContentLogging]):
    """`version` counts what people agree to: it grows with another text, with more that is kept, and with more days."""

    class Meta:
        model = ContentLogging
        fields = ["requests", "answers", "days", "consent", "version"]


class ContentLoggingOut(KeptOut):
    """`subscriptions`: how many are open, and `agreed`: how many of them agreed to this; null for who does not publish."""

    agreed = serializers.SerializerMethodField()
    subscriptions = serializers.SerializerMethodField()

    class Meta(KeptOut.Meta):
        fields = ["enabled", *KeptOut.Meta.fields, "agreed", "subscriptions"]

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_agreed(self, row: ContentLogging) -> int | None:  # noqa: ARG002
        return self._counts[0]

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_subscriptions(self, row: ContentLogging) -> int | None:  # noqa: ARG002
        return self._counts[1]

    @property
    def _counts(self) -> tuple[int, int] | tuple[None, None]:
        counts: tuple[int, int] | tuple[None, None] = self.context.get("counts", (None, None))
        return counts


class LoggingConsentIn(Body):
    """`version`: of the text that was read."""

    version = serializers.IntegerField(min_value=1, max_value=MOST_VERSION)


class LoggingConsentOut(serializers.Serializer[Standing]):
    """`kept`: what the API keeps of calls, null where it keeps nothing; `agreed`: whether it keeps that of this subscription.

    `version`, `by` and `at` are of the last consent, also of one that was withdrawn, or to something else; null where there was none.
    """

    kept = KeptOut(source="logging", allow_null=True)
    agreed = serializers.BooleanField()
    version = serializers.IntegerField(source="consent.version", default=None, allow_null=True)
    by = serializers.CharField(source="consent.by.email", default=None, allow_null=True)
    at = serializers.DateTimeField(source="consent.at", default=None, allow_null=True)
    withdrawn_at = serializers.DateTimeField(source="consent.withdrawn_at", default=None, allow_null=True)


def agreed_in_request() -> dict[str, Any]:
    """Of the field `logging_agreed` of who asks for a subscription."""
    return {"min_value": 1, "max_value": MOST_VERSION, "required": False, "allow_null": True}
