"""What comes in and goes out about where calls go."""

from rest_framework import serializers

from apis import connections
from apis.certificates import MOST_CHARACTERS, Certificate
from apis.client_certificates import MOST_KEY_CHARACTERS
from apis.models import Upstream
from tenants.serializers import Body, Choice, Text


class UpstreamIn(Body):
    """`secret` goes into the header, as it is; with the `credential` “bearer” or “basic” into Authorization, as its token or as the
    password of `user`. `strip_path` is taken off the beginning of paths before the path of `url` is put there.
    With `ca`, certificates in PEM, one of them has to have signed the upstream's own; `sni` is the name that it has to have.
    `client_certificate` and its private key `client_key`, both in PEM, are what the gateway proves itself with in TLS.
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


class AuthorityOut(serializers.Serializer[Certificate]):
    name = serializers.CharField()
    until = serializers.DateTimeField()


class ClientCertificateOut(AuthorityOut):
    """`fingerprint`: the SHA-256 of its DER, in hexadecimal."""

    fingerprint = serializers.CharField()


class UpstreamOut(serializers.ModelSerializer[Upstream]):
    """Never a secret. `authorities`: what the certificates of `ca` are called, and until when they are in force; `client_certificates` the
    same of `client_certificate`, the gateway's own first.
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
            "addresses",
            "resolved_at",
        ]
