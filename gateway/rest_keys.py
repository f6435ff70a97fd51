"""REST: a tenant's signing keys, and what people do with them."""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from gateway import rehearsal, rotation
from gateway.serializers import PurposeIn, RehearsalOut, SigningKeyDetailOut, SigningKeyOut
from keys.models import SigningKey
from keys.serializers import ReasonIn
from tenants.models import Event
from tenants.rest import OwnScope, TenantRestView
from tenants.serializers import decided

_Decided = decided(SigningKeyOut)
_TRUSTED = {SigningKey.Status.PUBLISHED, SigningKey.Status.ACTIVE, SigningKey.Status.RETIRED}


class SigningKeys(TenantRestView):
    access = {"GET": "keys.see"}

    @extend_schema(responses=SigningKeyOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Every key that there is and was, newest first. `waiting_for` names the gateways that an announced key waits for."""
        return self.listed(SigningKey.objects.all(), SigningKeyOut, waiting=_waiting())


class SigningKeyDetail(TenantRestView):
    access = {"GET": "keys.see"}

    @extend_schema(responses=SigningKeyDetailOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """One key, and what would stop if it were given up: null where it is trusted nowhere."""
        key = get_object_or_404(SigningKey, pk=pk)
        behind = rotation.blast_radius(key) if key.status in _TRUSTED else None
        return Response(SigningKeyDetailOut(key, context={"waiting": _waiting(), "behind": behind}).data)


class Rehearse(OwnScope):
    access = {"POST": "keys.manage"}

    @extend_schema(request=PurposeIn, responses=RehearsalOut)
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Announce the next key if none is, and call every gateway with something that it signed. Go, or no-go with the reasons."""
        found = rehearsal.rehearse(self.tenant.pk, **self.read(PurposeIn), by=self.user)
        with self.scope():
            return self.decided(RehearsalOut(found, context={"waiting": _waiting()}).data, found.event)


class Rotate(OwnScope):
    access = {"POST": "keys.manage"}

    @extend_schema(request=PurposeIn, responses=_Decided)
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """The next key signs as soon as it is known everywhere. The answer shows it as it stands by then."""
        event = rotation.rotate_now(self.tenant.pk, **self.read(PurposeIn), by=self.user)
        with self.scope():
            return self.decided(_told(event), event)


class Compromise(OwnScope):
    access = {"POST": "keys.manage"}

    @extend_schema(request=ReasonIn, responses=_Decided)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Trust nothing that this key signed, from now on; another signs in its place. It can't be taken back."""
        with self.scope():
            key = get_object_or_404(SigningKey, pk=pk)
        event = rotation.compromise(self.tenant.pk, key.pk, **self.read(ReasonIn), by=self.user)
        with self.scope():
            return self.decided(_told(event), event)


def _told(event: Event) -> Any:
    """The key that an event is about, as it is now."""
    return SigningKeyOut(SigningKey.objects.get(pk=event.subject_id), context={"waiting": _waiting()}).data


def _waiting() -> dict[UUID, list[str]]:
    """By key, one per purpose at most: the gateways that do not know it yet."""
    announced = SigningKey.objects.filter(status=SigningKey.Status.PUBLISHED).order_by("id")
    return {key.pk: rotation.waiting_for(key) for key in announced}
