"""REST: a tenant's token policy."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from keys.actions.policies import change_policy
from keys.models import TokenPolicy
from keys.serializers import TokenPolicyIn, TokenPolicyOut
from tenants.rest import TenantRestView


class Policy(TenantRestView):
    access = {"GET": "keys.see", "PATCH": "keys.manage"}

    @extend_schema(responses=TokenPolicyOut)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """How keys rotate, and how long what they sign lives. Times are in seconds."""
        return Response(TokenPolicyOut(TokenPolicy.objects.get()).data)

    @extend_schema(request=TokenPolicyIn, responses=TokenPolicyOut)
    def patch(self, request: Request) -> Response:
        """Change what is given. Another algorithm rotates both keys, beginning at once."""
        change_policy(self.read(TokenPolicyIn), by=self.user)
        return self.get(request)
