import dataclasses
from typing import Any

from rest_framework import serializers

from apis.models import Api
from apis.policies import MAX_LENGTH, MOST_CHARACTERS, MOST_HEADERS, MOST_NETWORKS, Policies
from tenants.serializers import Body, Text


def _networks() -> serializers.ListField:
    # Room to spare, so that the action says what is wrong.
    return serializers.ListField(child=Text(max_length=4 * MAX_LENGTH, allow_blank=True), max_length=5 * MOST_NETWORKS, required=False)


def _set() -> serializers.DictField:
    return serializers.DictField(child=Text(max_length=2 * MOST_CHARACTERS, allow_blank=True), required=False)


def _removed() -> serializers.ListField:
    return serializers.ListField(child=Text(max_length=400, allow_blank=True), max_length=5 * MOST_HEADERS, required=False)


class PoliciesIn(Body):
    """What is left out stays as it is; an empty list takes the policy away."""

    ip_allow = _networks()
    ip_deny = _networks()
    # The action says what is wrong with a number; this keeps out what is none.
    max_body_kib = serializers.IntegerField(required=False)
    max_calls = serializers.IntegerField(required=False)
    max_calls_seconds = serializers.IntegerField(required=False)
    set_request_headers = _set()
    remove_request_headers = _removed()
    set_response_headers = _set()
    remove_response_headers = _removed()
    retries = serializers.IntegerField(required=False)
    retry_percent = serializers.IntegerField(required=False)
    streaming = serializers.BooleanField(required=False)
    compress = serializers.BooleanField(required=False)


class PoliciesOut(serializers.ModelSerializer[Any]):
    """`ip_allow`: networks whose callers alone may call, empty for everybody's. `ip_deny`: whose may not in any case.

    `max_body_kib`: how large a call's body may be, 0 without a limit. `max_calls`: how many calls pass in `max_calls_seconds`, 1 or 60, of
    all callers together, 0 for as many as come. Headers are set after others are removed.
    `retries`: how often a call that failed at the upstream is tried again, while at most `retry_percent` of those under way are such.
    `compress`: answers are compressed for callers that say they take it.
    """

    ip_allow = serializers.ListField(child=serializers.CharField())
    ip_deny = serializers.ListField(child=serializers.CharField())
    max_body_kib = serializers.IntegerField()
    max_calls = serializers.IntegerField()
    max_calls_seconds = serializers.IntegerField()
    set_request_headers = serializers.SerializerMethodField()
    remove_request_headers = serializers.ListField(child=serializers.CharField())
    set_response_headers = serializers.SerializerMethodField()
    remove_response_headers = serializers.ListField(child=serializers.CharField())
    retries = serializers.IntegerField()
    retry_percent = serializers.IntegerField()
    streaming = serializers.BooleanField()
    compress = serializers.BooleanField()

    class Meta:
        model = Api
        fields = [each.name for each in dataclasses.fields(Policies)]

    def get_set_request_headers(self, policies: Policies) -> dict[str, str]:
        return dict(policies.set_request_headers)

    def get_set_response_headers(self, policies: Policies) -> dict[str, str]:
        return dict(policies.set_response_headers)
