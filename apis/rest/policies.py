"""REST: what an API's gateway asks of calls, and does to them."""

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions.policies import change_policies
from apis.models import Api
from apis.policies import Policies
from apis.rest.publishing import ApisView
from apis.serializers_policies import PoliciesIn, PoliciesOut
from tenants.serializers import decided


class PoliciesView(ApisView):
    access = {"GET": "apis.see_all", "PATCH": "apis.publish"}

    @extend_schema(responses=PoliciesOut)
    def get(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """The policies of an API, which count for every version of it."""
        return Response(_shown(self.api(api)))

    @extend_schema(
        request=PoliciesIn,
        responses=PolymorphicProxySerializer(
            "ChangedPolicies", serializers=[decided(PoliciesOut), PoliciesOut], resource_type_field_name=None
        ),
    )
    def patch(self, request: Request, api: str) -> Response:  # noqa: ARG002
        """Change what you send of them. Without a difference there is no event."""
        found = self.api(api)
        event = change_policies(found, given=self.read(PoliciesIn), by=self.user)
        return self.decided(_shown(found), event) if event else Response(_shown(found))


def _shown(api: Api) -> dict[str, object]:
    return dict(PoliciesOut(Policies.of(api.policies)).data)
