from typing import ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from apis.balancing import Balancing
from apis.connections import Connection
from keys.envelope import Purpose
from tenants.models import TenantManager, TenantModel


class UpstreamQuerySet(models.QuerySet["Upstream"]):
    def in_use(self) -> Self:
        """Those of live revisions, and of revisions that are open for tests."""
        live, tested = models.Q(revisions__live_in__isnull=False), models.Q(revisions__open_until__gt=Now())
        return self.filter(live | tested).distinct()


UpstreamManager = TenantManager.from_queryset(UpstreamQuerySet)


class Upstream(TenantModel):
    """Where a revision's calls go. Immutable but for addresses, which a job keeps, and `warned`.

    Gateways are told addresses, never names to resolve.
    """

    class Scheme(models.TextChoices):
        HTTP = "http", "http"
        HTTPS = "https", "https"

    scheme = models.CharField(max_length=5, choices=Scheme)
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField()
    # Put before each operation's path; "" or "/base" without a slash at its end.
    path = models.CharField(max_length=500, blank=True)
    connect_timeout_ms = models.PositiveIntegerField(default=5_000)
    timeout_ms = models.PositiveIntegerField(default=30_000)
    # One header with a secret that the gateway puts on each call; the secret is sealed, and `connection` says how the header tells it.
    header = models.CharField(max_length=80, blank=True)
    sealed = models.TextField(blank=True)
    # The private key of `connection`'s client certificate, in PKCS #8 (PEM), sealed.
    sealed_key = models.TextField(blank=True, default="")
    # How gateways connect to it, beside its address: an apis.connections.Connection.
    connection = models.JSONField(default=dict)
    # Which further targets share its calls, and how all are checked: an apis.balancing.Balancing.
    balancing = models.JSONField(default=dict)
    addresses = ArrayField(models.GenericIPAddressField(), default=list)
    # Of the further targets, in their order: a list of addresses for each.
    further_addresses = models.JSONField(default=list)
    resolved_at = models.DateTimeField()
    # Of which of its certificates, by fingerprint, it was told how many days before its end, see apis.actions.certificate_ends.
    warned = models.JSONField(default=dict)

    objects: ClassVar[UpstreamManager["Upstream"]] = UpstreamManager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(header="", sealed="") | ~models.Q(header="") & ~models.Q(sealed=""),
                name="an_injected_header_has_its_secret",
            ),
            models.CheckConstraint(
                condition=~models.Q(connection__has_key="client_certificate") & models.Q(sealed_key="")
                | models.Q(connection__has_key="client_certificate") & ~models.Q(sealed_key=""),
                name="a_client_certificate_has_its_key",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}{self.path}"

    @property
    def connects(self) -> Connection:
        return Connection.of(self.connection)

    @property
    def balances(self) -> Balancing:
        return Balancing.of(self.balancing, self.further_addresses)

    @property
    def sealed_for(self) -> Purpose:
        return Purpose(self.owning_tenant, self.pk, "upstream_header", "none")

    @property
    def sealed_key_for(self) -> Purpose:
        return Purpose(self.owning_tenant, self.pk, "upstream_client_key", "none")
