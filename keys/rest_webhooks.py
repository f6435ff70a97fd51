"""REST: webhooks, what was sent to each, and sending it again."""

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from keys import webhooks as words
from keys.actions import webhooks
from keys.models import Webhook, WebhookDelivery
from keys.serializers_webhooks import (
    NewWebhookOut,
    RedeliveredOut,
    SinceIn,
    WebhookChangeIn,
    WebhookDeliveryDetailOut,
    WebhookDeliveryOut,
    WebhookIn,
    WebhookOut,
)
from tenants.errors import Invalid
from tenants.event_kinds import HOOKED
from tenants.rest import TenantRestView

MANAGE = "webhooks.manage"


class WebhooksView(TenantRestView):
    def webhook(self, pk: UUID) -> Webhook:
        found: Webhook = get_object_or_404(Webhook.objects, pk=pk)
        return found

    def delivery(self, pk: UUID, delivery: UUID) -> WebhookDelivery:
        rows = WebhookDelivery.objects.select_related("webhook")
        found: WebhookDelivery = get_object_or_404(rows, webhook=pk, pk=delivery)
        return found

    def shown_once(self, webhook: Webhook, secret: str) -> Response:
        answer = Response(NewWebhookOut(webhook, context={"secret": secret}).data, status=201)
        answer["Cache-Control"] = "no-store"
        return answer


class Webhooks(WebhooksView):
    access = {"GET": MANAGE, "POST": MANAGE}

    @extend_schema(responses=WebhookOut(many=True))
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The tenant's webhooks, the newest first."""
        return self.listed(Webhook.objects.all(), WebhookOut)

    @extend_schema(request=WebhookIn, responses={201: NewWebhookOut})
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Make a webhook, which is told of what happens from now on. Its secret is in this answer and nowhere else."""
        return self.shown_once(*webhooks.create(**self.read(WebhookIn), by=self.user))


class WebhookDetail(WebhooksView):
    access = {"GET": MANAGE, "PATCH": MANAGE, "DELETE": MANAGE}

    @extend_schema(responses=WebhookOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """A webhook."""
        return Response(WebhookOut(self.webhook(pk)).data)

    @extend_schema(request=WebhookChangeIn, responses=WebhookOut)
    def patch(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Change its name, address or kinds, or switch it on or off (`enabled`)."""
        webhooks.change(self.webhook(pk), **self.read(WebhookChangeIn), by=self.user)
        return Response(WebhookOut(self.webhook(pk)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Delete it, with what was noted of its deliveries."""
        webhooks.delete(self.webhook(pk), by=self.user)
        return Response(status=204)


class WebhookRoll(WebhooksView):
    access = {"POST": MANAGE}

    @extend_schema(request=None, responses={201: NewWebhookOut})
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Roll the secret of a webhook. The new one is in this answer and nowhere else; the old one signs beside it for 24 hours."""
        webhook = self.webhook(pk)
        secret, _event = webhooks.roll(webhook, by=self.user)
        return self.shown_once(self.webhook(pk), secret)


class WebhookTest(WebhooksView):
    access = {"POST": MANAGE}

    @extend_schema(request=None, responses={201: WebhookDeliveryOut})
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Send a test event, `webhook.test`, once; also to a webhook that is off."""
        return Response(WebhookDeliveryOut(webhooks.send_test(self.webhook(pk))).data, status=201)


class WebhookRedeliver(WebhooksView):
    access = {"POST": MANAGE}

    @extend_schema(request=SinceIn, responses=RedeliveredOut)
    def post(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """Send all again that failed since a moment, the oldest first."""
        return Response({"redelivered": webhooks.redeliver_failed(self.webhook(pk), **self.read(SinceIn))})


class WebhookDeliveries(WebhooksView):
    access = {"GET": MANAGE}

    @extend_schema(
        parameters=[
            OpenApiParameter("state", enum=WebhookDelivery.State.values),
            OpenApiParameter("kind", description="A kind of event, or webhook.test."),
        ],
        responses=WebhookDeliveryOut(many=True),
    )
    def get(self, request: Request, pk: UUID) -> Response:
        """What a webhook was told in the last 30 days, and what waits; newest first, narrowed by `?state=` and `?kind=`."""
        rows: QuerySet[WebhookDelivery] = WebhookDelivery.objects.filter(webhook=self.webhook(pk))
        if state := request.query_params.get("state"):
            if state not in WebhookDelivery.State.values:
                raise Invalid({"state": [f"Choose from {', '.join(WebhookDelivery.State.values)}."]})
            rows = rows.filter(state=state)
        if kind := request.query_params.get("kind"):
            if kind not in HOOKED | {words.TEST}:
                raise Invalid({"kind": ["Webhooks tell of no such kind of event."]})
            rows = rows.filter(kind=kind)
        return self.listed(rows, WebhookDeliveryOut)


class WebhookDeliveryDetail(WebhooksView):
    access = {"GET": MANAGE}

    @extend_schema(responses=WebhookDeliveryDetailOut)
    def get(self, request: Request, pk: UUID, delivery: UUID) -> Response:  # noqa: ARG002
        """A delivery of a webhook, with every attempt."""
        return Response(WebhookDeliveryDetailOut(self.delivery(pk, delivery)).data)


class WebhookDeliveryRedeliver(WebhooksView):
    access = {"POST": MANAGE}

    @extend_schema(request=None, responses=WebhookDeliveryOut)
    def post(self, request: Request, pk: UUID, delivery: UUID) -> Response:  # noqa: ARG002
        """Send a delivery again, with the same id."""
        return Response(WebhookDeliveryOut(webhooks.redeliver(self.delivery(pk, delivery))).data)


class WebhookDeliveryGiveUp(WebhooksView):
    access = {"POST": MANAGE}

    @extend_schema(request=None, responses=WebhookDeliveryOut)
    def post(self, request: Request, pk: UUID, delivery: UUID) -> Response:  # noqa: ARG002
        """Try a delivery no more, so that those behind it are sent."""
        return Response(WebhookDeliveryOut(webhooks.give_up(self.delivery(pk, delivery))).data)
