"""What comes in and goes out about where calls go."""

from rest_framework import serializers

from apis import connections
from apis.models import Upstream
from tenants.serializers import Body, Choice, Text


class UpstreamIn(Body):
    """`secret` goes into the header, as it is; with the `credential` “bearer” or “basic” into Authorization, as its token or as the
    password of `user`. `strip_path` is taken off the beginning of paths before the path of `url` is put there.
    """

    url = Text(max_length=800)
    connect_timeout_ms = serializers.IntegerField(min_value=100, max_value=30_000, default=5_000)
    timeout_ms = serializers.IntegerField(min_value=100, max_value=300_000, default=30_000)
    header = Text(max_length=80, allow_blank=True, default="")
    secret = serializers.CharField(max_length=4000, allow_blank=True, default="", trim_whitespace=False)
    credential = Choice(choices=connections.CREDENTIALS, default=connections.HEADER)
    user = Text(max_length=400, allow_blank=True, default="")
    strip_path = Text(max_length=800, allow_blank=True, default="")


class UpstreamOut(serializers.ModelSerializer[Upstream]):
    """Never the secret."""

    url = serializers.CharField(source="__str__")
    credential = serializers.CharField(source="connects.credential")
    user = serializers.CharField(source="connects.user")
    strip_path = serializers.CharField(source="connects.strip_path")

    class Meta:
        model = Upstream
        fields = [
            "url",
            "connect_timeout_ms",
            "timeout_ms",
            "header",
            "credential",
            "user",
            "strip_path",
            "addresses",
            "resolved_at",
        ]
