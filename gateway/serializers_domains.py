"""What comes in and goes out about tenants' own domains."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apis import certificates
from apis.client_certificates import MOST_KEY_CHARACTERS
from gateway import domains
from gateway.models import Domain
from keys import tokens
from tenants.serializers import Body, Text


class DomainIn(Body):
    name = Text(max_length=domains.MOST)


class DomainCertificateIn(Body):
    """Both in PEM: the domain's certificate, then each that has signed the one before; and its private key."""

    certificate = Text(max_length=certificates.MOST_CHARACTERS)
    key = Text(max_length=MOST_KEY_CHARACTERS)


class ServedOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    until = serializers.DateTimeField()
    fingerprint = serializers.CharField()


class DomainOut(serializers.ModelSerializer[Domain]):
    """`record` is the TXT record in DNS that proves it, `record_says` what it has to say. `verified_at` is null before it did, and
    `missing_since` since when it does so no more. `certificates`: what is served, the domain's own first; never a private key.
    """

    record = serializers.CharField(read_only=True)
    record_says = serializers.CharField(read_only=True)
    url = serializers.SerializerMethodField()
    certificates = serializers.SerializerMethodField()

    class Meta:
        model = Domain
        fields = [
            "id", "name", "url", "created_at", "record", "record_says", "verified_at", "checked_at", "missing_since", "ends_at",
            "certificates",
        ]  # fmt: skip

    def get_url(self, domain: Domain) -> str:
        return tokens.own_audience(domain.name, settings.GATEWAY_TLS_PUBLIC_PORT)

    @extend_schema_field(ServedOut(many=True))
    def get_certificates(self, domain: Domain) -> Any:
        return ServedOut(certificates.shown(domain.certificate), many=True).data
