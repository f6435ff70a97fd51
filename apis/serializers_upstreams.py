"""What comes in and goes out about where calls go."""

from rest_framework import serializers

from apis import balancing, connections
from apis.balancing import BY_ITSELF, IN_A_ROW, INTERVALS, MOST_WEIGHT, TIMEOUTS_MS, Further
from apis.certificates import MOST_CHARACTERS, Certificate
from apis.client_certificates import MOST_KEY_CHARACTERS
from apis.models import Upstream
from tenants.serializers import Body, Choice, Text


def _number(bounds: tuple[int, int], default: int) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=bounds[0], max_value=bounds[1], default=default)


class FurtherTargetIn(Body):
    """`port`: that of `url` where none is said. `weight`: 0 for no calls."""

    host = Text(max_length=400)
    port = serializers.IntegerField(min_value=1, max_value=65_535, allow_null=True, default=None)
    weight = _number((0, MOST_WEIGHT), 1)


class UpstreamIn(Body):
    """`secret` goes into the header, as it is; with the `credential` “bearer” or “basic” into Authorization, as its token or as the
    password of `user`. `strip_path` is taken off the beginning of paths before the path of `url` is put there.
    With `ca`, certificates in PEM, one of them has to have signed the upstream's own; `sni` is the name that it has to have.
    `client_certificate` and its private key `client_key`, both in PEM, are what the gateway proves itself with in TLS.
    `further_targets` share the calls with `url`, by their weights and its own, `weight`. With a `health_path`, gateways look there every
    `health_interval` seconds, and call only those that answer well.
    """

    url = Text(max_length=800)
    connect_timeout_ms = serializers.IntegerField(min_value=100, max_value=30_000, default=5_000)
    timeout_ms = serializers.IntegerField(min_value=100, max_value=300_000, default=30_000)
    header = Text(max_length=80, allow_blank=True, default="")
    secret = serializers.CharField(max_length=4000, allow_blank=True, default="", trim_whitespace=False)
    credential = Choice(choices=connections.CREDENTIALS, default=connections.HEADER)
    user = Text(max_length=400, allow_blank=True, default="")
    strip_path = Text(max_length=800, allow_blank=True, default="")
    ca = Text(max_length=2 * MOST_CHARACTERS, allow_blank=True, default="")
    sni = Text(max_length=400, allow_blank=True, default="")
    client_certificate = Text(max_length=2 * MOST_CHARACTERS, allow_blank=True, default="")
    client_key = Text(max_length=2 * MOST_KEY_CHARACTERS, allow_blank=True, default="")
    weight = _number((0, MOST_WEIGHT), 1)
    further_targets = FurtherTargetIn(many=True, default=list)
    health_path = Text(max_length=800, allow_blank=True, default="")
    health_interval = _number(INTERVALS, BY_ITSELF.interval)
    health_timeout_ms = _number(TIMEOUTS_MS, BY_ITSELF.timeout_ms)
    health_failures = _number(IN_A_ROW, BY_ITSELF.failures)
    health_successes = _number(IN_A_ROW, BY_ITSELF.successes)
    health_status = Text(max_length=80, default=BY_ITSELF.status)


class AuthorityOut(serializers.Serializer[Certificate]):
    name = serializers.CharField()
    until = serializers.DateTimeField()


class ClientCertificateOut(AuthorityOut):
    """`fingerprint`: the SHA-256 of its DER, in hexadecimal."""

    fingerprint = serializers.CharField()


class FurtherTargetOut(serializers.Serializer[Further]):
    host = serializers.CharField()
    port = serializers.IntegerField()
    weight = serializers.IntegerField()
    addresses = serializers.ListField(child=serializers.CharField())


class UpstreamOut(serializers.ModelSerializer[Upstream]):
    """Never a secret. `authorities`: what the certificates of `ca` are called, and until when they are in force; `client_certificates` the
    same of `client_certificate`, the gateway's own first. `health_path` is "" where nobody looks.
    """

    url = serializers.CharField(source="__str__")
    credential = serializers.CharField(source="connects.credential")
    user = serializers.CharField(source="connects.user")
    strip_path = serializers.CharField(source="connects.strip_path")
    ca = serializers.CharField(source="connects.ca")
    authorities = AuthorityOut(source="connects.authorities", many=True)
    sni = serializers.CharField(source="connects.sni")
    client_certificate = serializers.CharField(source="connects.client_certificate")
    client_certificates = ClientCertificateOut(source="connects.client_certificates", many=True)
    weight = serializers.IntegerField(source="balances.weight")
    further_targets = FurtherTargetOut(source="balances.further", many=True)
    health_path = serializers.CharField(source="balances.looks.path")
    health_interval = serializers.IntegerField(source="balances.looks.interval")
    health_timeout_ms = serializers.IntegerField(source="balances.looks.timeout_ms")
    health_failures = serializers.IntegerField(source="balances.looks.failures")
    health_successes = serializers.IntegerField(source="balances.looks.successes")
    health_status = serializers.CharField(source="balances.looks.status")

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
            "ca",
            "authorities",
            "sni",
            "client_certificate",
            "client_certificates",
            *balancing.NAMES,
            "addresses",
            "resolved_at",
        ]
