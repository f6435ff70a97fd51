"""REST: a tenant's own host names at the gateway, and the certificates that are served under them."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from gateway import domains
from gateway.models import Domain
from gateway.serializers_domains import DomainCertificateIn, DomainIn, DomainOut
from tenants.rest import TenantRestView
from tenants.serializers import decided

MANAGE = "settings.manage"
_Decided = decided(DomainOut)


class DomainsView(TenantRestView):
    def domain(self, pk: UUID) -> Domain:
        found: Domain = get_object_or_404(Domain.objects, pk=pk)
        return found


class Domains(DomainsView):
    access = {"GET": MANAGE, "POST": MANAGE}

    @extend_schema(responses=DomainOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The tenant's own domains, the newest first, each with what proves it."""
        return self.listed(Domain.objects.all(), DomainOut)

    @extend_schema(request=DomainIn, responses={201: DomainOut})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Add a domain. It is the tenant's once its record in DNS says what the answer shows; Portico looks for it by itself."""
        return Response(DomainOut(domains.add(**self.read(DomainIn), by=self.user)).data, status=201)


class DomainDetail(DomainsView):
    access = {"GET": MANAGE, "DELETE": MANAGE}

    @extend_schema(responses=DomainOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """A domain."""
        return Response(DomainOut(self.domain(pk)).data)

    @extend_schema(responses=_Decided)
    def delete(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Remove a domain: gateways answer under it no more, and whoever proves it can have it."""
        found = self.domain(pk)
        told = DomainOut(found).data
        return self.decided(told, domains.remove(found, by=self.user))


class DomainCheck(DomainsView):
    access = {"POST": MANAGE}

    @extend_schema(request=None, responses={202: DomainOut})
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Have the proof looked for now, and not only when it is due."""
        found = self.domain(pk)
        domains.look_again(found)
        return Response(DomainOut(found).data, status=202)


class DomainCertificate(DomainsView):
    access = {"PUT": MANAGE}

    @extend_schema(request=DomainCertificateIn, responses=_Decided)
    def put(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Serve this certificate from now on, in place of the one before, whose private key is forgotten."""
        found = self.domain(pk)
        event = domains.put_certificate(found, **self.read(DomainCertificateIn), by=self.user)
        return self.decided(DomainOut(self.domain(pk)).data, event)
