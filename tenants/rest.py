"""REST: what every endpoint shares, sessions, and the tenants of a person."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import AuthenticationFailed, UnsupportedMediaType
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tenants import events, idempotency, second_factors, sessions, signing_in, throttle
from tenants.access import SIGNED_IN, open_to_all
from tenants.errors import Invalid
from tenants.event_kinds import KINDS
from tenants.idempotency import SentBefore
from tenants.models import Event, Membership, SentOnce, ServiceAccount, Tenant, User
from tenants.paging import NewestFirst
from tenants.parser import Json
from tenants.people import accounts
from tenants.preconditions import Changed, etag, insist
from tenants.scope import tenant_scope, user_scope
from tenants.serializers import EventOut, RefreshIn, SessionIn, SessionOut, TenantDetailOut, TenantOut
from tenants.throttle import Rate, TooMany


class RestView(APIView):
    """An endpoint. `access` says who may enter, per method."""

    access: ClassVar[dict[str, str] | str]
    # Read by the schema too.
    pagination_class: ClassVar[type[NewestFirst] | None] = NewestFirst
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    # Bytes of a body, see tenants.parser.
    max_body: ClassVar[int] = 64 * 1024

    def get_authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        """Every 401 says how to sign in (RFC 9110 §11.6.1), also where a view authenticates by itself."""
        return 'Bearer realm="portico"'

    def read(self, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        """The body, checked."""
        given = self._given()
        if not isinstance(given, dict):
            raise Invalid({"": ["Send a JSON object."]})
        found = serializer(data=given)
        found.is_valid(raise_exception=True)
        return dict(found.validated_data)

    def _given(self) -> Any:
        """Django measures all bodies by one setting; here it is known who sends this one, and a view may take more."""
        if not settings.DATA_UPLOAD_MAX_MEMORY_SIZE < int(self.request.META.get("CONTENT_LENGTH") or 0) <= self.max_body:
            return self.request.data
        if not self.request.content_type.startswith("application/json"):
            raise UnsupportedMediaType(self.request.content_type)
        return Json().parse(self.request, parser_context={"request": self.request, "view": self})  # type: ignore[arg-type]

    def listed(self, rows: QuerySet[Any], serializer: type[serializers.BaseSerializer[Any]], **context: Any) -> Response:
        """One page."""
        assert self.pagination_class is not None
        paginator = self.pagination_class()
        page = paginator.paginate_queryset(rows, self.request, view=self)
        return paginator.get_paginated_response(serializer(page, many=True, context=context).data)


class TenantRestView(RestView):
    """An endpoint inside a tenant, whose slug the path names; the middleware has opened its scope."""

    tenant: Tenant
    _sent: SentOnce | None = None
    _rate: Rate | None = None
    _too_many = False

    def dispatch(self, request: Any, *args: Any, tenant: str, **kwargs: Any) -> Any:  # noqa: ARG002
        self.tenant = getattr(request, "tenant", None)  # type: ignore[assignment]
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Who may enter, and how often one may write: each change can be work for every gateway.

        Counted with what it counts, so a refused one, which changes nothing, is none; nor is one that was done before.
        """
        super().initial(request, *args, **kwargs)
        if request.method not in SAFE_METHODS:
            if (key := request.headers.get(idempotency.HEADER)) is not None:
                self._sent = idempotency.begin(key, request=_digest(request), by=self.user)
            try:
                self._rate = throttle.change(self.user.pk, at=self.tenant.pk)
            except TooMany as refusal:
                self._rate, self._too_many = Rate(settings.WRITE_RATE, 0, refusal.seconds), True
                raise
            if (wanted := request.headers.get("If-Match")) is not None:
                self._insist(wanted, request, *args, **kwargs)

    def _insist(self, wanted: str, request: Request, *args: Any, **kwargs: Any) -> None:
        """Under the tenant's lock, so that nothing changes between this look and the change."""
        events.lock()
        get = getattr(self, "get", None)
        read = get and get(request, *args, **kwargs)
        if read is None or not _is_one_thing(read):
            raise Changed(_("What stands at this address has no ETag. Leave If-Match out."))
        insist(wanted, JSONRenderer().render(read.data))

    def handle_exception(self, exc: Exception) -> Any:
        if not isinstance(exc, SentBefore):
            return super().handle_exception(exc)
        headers = {"Idempotent-Replayed": "true", **({"Location": exc.answer.location} if exc.answer.location else {})}
        return HttpResponse(exc.answer.body, status=exc.answer.status, content_type="application/json", headers=headers)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        if self._sent is not None:
            self._settle(self._sent, response)
        # A change that was refused for another reason is not counted.
        if self._rate is not None and (response.status_code < status.HTTP_400_BAD_REQUEST or self._too_many):
            # As gateways tell callers (docs/cors.md).
            response["X-RateLimit-Limit"] = f"{self._rate.limit}, {self._rate.limit};w=60"
            response["X-RateLimit-Remaining"], response["X-RateLimit-Reset"] = self._rate.remaining, self._rate.reset
        response = super().finalize_response(request, response, *args, **kwargs)
        if request.method not in {"GET", "HEAD"} or not _is_one_thing(response):
            return response
        # As it is sent; who asks for it indented gets the tag of the same data. A document of many megabytes is written once.
        plain = response.accepted_media_type == JSONRenderer.media_type
        response["ETag"] = etag(response.render().content if plain else JSONRenderer().render(response.data))
        return get_conditional_response(request._request, etag=response["ETag"], response=response)  # noqa: SLF001  (DRF's own name)

    def _settle(self, sent: SentOnce, response: Any) -> None:
        """The key stands for this answer from now on, or for nothing where the request was refused."""
        if connection.needs_rollback:
            return
        if response.status_code >= status.HTTP_400_BAD_REQUEST:
            idempotency.give_back(sent)
        else:
            idempotency.finish(sent, _kept(response))

    @property
    def permissions(self) -> frozenset[str]:
        """All that the person may do here."""
        held: frozenset[str] = self.request.permissions  # type: ignore[attr-defined]
        return held

    def decided(self, data: Any, event: Event) -> Response:
        """A decision's answer: the thing as it is now, and where its receipt is."""
        receipt = reverse("receipt", kwargs={"tenant": self.tenant.slug, "number": event.number})
        return Response({**data, "event": event.number, "receipt": receipt})

    @property
    def user(self) -> User:
        return person(self.request)


@method_decorator(transaction.non_atomic_requests, name="dispatch")
class OwnScope(TenantRestView):
    """An endpoint inside a tenant that works outside any transaction for a while: the middleware leaves the scope to it."""

    opens_its_own_scope = True

    @contextmanager
    def scope(self) -> Iterator[None]:
        with tenant_scope(self.tenant.pk):
            yield

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if not hasattr(request, "tenant"):
            # Answers as it does at a tenant that exists.
            return super().initial(request, *args, **kwargs)
        with self.scope():
            return super().initial(request, *args, **kwargs)

    def _settle(self, sent: SentOnce, response: Any) -> None:
        with self.scope():
            super()._settle(sent, response)


def _is_one_thing(response: Any) -> bool:
    """Not a page of a list, nor a file."""
    return isinstance(response, Response) and response.status_code == status.HTTP_200_OK and "results" not in (response.data or {})


def _digest(request: Request) -> str:
    """A body that is too large to be read twice is known by its length."""
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    body = request.body if length <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE else str(length).encode()
    return idempotency.digest(str(request.method), request.get_full_path(), body)


def _kept(response: Any) -> idempotency.Answer:
    """What is told once says so itself: no-store. A file that is sent piece by piece is asked for anew."""
    told_once = "no-store" in response.get("Cache-Control", "") or not isinstance(response, Response)
    body = None if told_once else "" if response.data is None else JSONRenderer().render(response.data).decode()
    return idempotency.Answer(response.status_code, body, response.get("Location", ""))


def person(request: Request) -> User:
    """Who asks; the permission has seen to it that somebody does."""
    assert isinstance(request.user, User)
    return request.user


NO_PAIR = "This e-mail address and password don't belong together."


@open_to_all("signing in is how one gets in")
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class Session(RestView):
    authentication_classes = ()
    permission_classes = ()

    @extend_schema(request=SessionIn, responses=SessionOut)
    def post(self, request: Request) -> Response:
        """Sign in. The access token lives 5 minutes, the refresh token a day."""
        given = self.read(SessionIn)
        user = signing_in.sign_in(request, given["email"], given["password"])
        if user is None:
            raise AuthenticationFailed(NO_PAIR)
        if not accounts.is_verified(user):
            raise AuthenticationFailed("This e-mail address is not confirmed yet. Follow the link that came by mail.")
        second_factor = _showed_second_factor(user, given["code"])
        try:
            return _pair(sessions.start(user, second_factor=second_factor))
        except sessions.SignedOutError:
            raise AuthenticationFailed(NO_PAIR) from None

    @extend_schema(request=RefreshIn, responses={204: None})
    def delete(self, request: Request) -> Response:  # noqa: ARG002
        """Sign out: the refresh token ends; the access token ends with its five minutes."""
        if not sessions.end(self.read(RefreshIn)["refresh"]):
            raise AuthenticationFailed("This refresh token has ended or is not one.")
        return Response(status=status.HTTP_204_NO_CONTENT)


class CodeNeeded(AuthenticationFailed):
    """`code` of the problem tells it from other refusals."""

    default_code = "mfa_required"
    default_detail = "Send “code” beside e-mail and password: of your authenticator app, or a recovery code."


def _showed_second_factor(user: User, code: str) -> bool:
    """Whether they have one, which they have shown then."""
    if not second_factors.has_second_factor(user):
        return False
    if not code.strip():
        raise CodeNeeded
    used = signing_in.show(user, code)
    if used is None:
        raise AuthenticationFailed("This code is not right, or was used before.")
    used.record_usage()
    return True


@open_to_all("the refresh token is the proof")
# What a token used twice ends stays ended although the answer is a refusal.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class SessionRefresh(RestView):
    authentication_classes = ()
    permission_classes = ()

    @extend_schema(request=RefreshIn, responses=SessionOut)
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """A new pair for a refresh token, which ends with this."""
        refresh = sessions.renew(self.read(RefreshIn)["refresh"])
        if refresh is None:
            raise AuthenticationFailed("This refresh token has ended or is not one. Sign in again.")
        return _pair(refresh)


def _pair(refresh: sessions.Refresh) -> Response:
    return Response({"access": str(refresh.access), "refresh": str(refresh)})


class Tenants(RestView):
    access = SIGNED_IN
    open_to_services = True

    @extend_schema(responses=TenantOut(many=True), operation_id="tenants_list")
    def get(self, request: Request) -> Response:
        """The tenants you are a member of, with your roles."""
        user = person(request)
        if isinstance(request.auth, ServiceAccount):
            roles: dict[Any, list[str]] = {request.auth.owning_tenant: []}
        else:
            with user_scope(user.pk):
                roles = dict(Membership.mine.filter(user=user).values_list("tenant_id", "roles"))
        return self.listed(Tenant.objects.filter(pk__in=roles), TenantOut, roles=roles)


class TenantDetail(TenantRestView):
    access = {"GET": "tenant.see"}

    @extend_schema(responses=TenantDetailOut)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The tenant, and your roles and permissions there."""
        # A service account has permissions of its own in place of roles.
        roles = Membership.objects.filter(user=self.user).values_list("roles", flat=True).first() or []
        return Response(TenantDetailOut(self.tenant, context={"roles": {self.tenant.pk: roles}}).data)


class Events(TenantRestView):
    access = {"GET": "audit.read"}

    @extend_schema(responses=EventOut(many=True))
    def get(self, request: Request) -> Response:
        """What happened here, newest first; `?kind=` and `?subject=` narrow it."""
        rows = Event.objects.all()
        if kind := request.query_params.get("kind"):
            if kind not in KINDS:
                raise Invalid({"kind": ["There is no such kind of event."]})
            rows = rows.filter(kind=kind)
        if subject := request.query_params.get("subject"):
            rows = rows.filter(subject_id=uuid_in("subject", subject))
        return self.listed(rows, EventOut)


def uuid_in(name: str, text: str) -> UUID:
    """An id in a query.

    :raises Invalid: it is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise Invalid({name: ["This is not an id."]}) from None
