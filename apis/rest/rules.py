"""REST: the rules on documents, and what they find in a revision."""

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis.actions.rules import change_rules
from apis.lint.rules import RULES
from apis.lint.standing import broken, standing
from apis.models import LintRule
from apis.rest.publishing import ApisView
from apis.serializers import LintRulesIn, LintRulesOut, RevisionLintOut
from tenants.rest import TenantRestView


class RevisionLint(ApisView):
    access = {"GET": "apis.see_all"}

    @extend_schema(responses=RevisionLintOut)
    def get(self, request: Request, api: str, version: str, number: int) -> Response:  # noqa: ARG002
        """What the tenant's rules find in a revision, rule by rule, with the places. 404 also where they were not asked."""
        lint = self.revision(api, version, number, without=("document", "outline", "answers")).found
        if lint is None:
            raise Http404
        choices = LintRule.objects.chosen()
        context = {"broken": broken(lint, choices)}
        return Response(RevisionLintOut(standing(lint.counts, choices), context=context).data)


class LintRules(TenantRestView):
    access = {"GET": "apis.publish", "PATCH": "settings.manage"}

    @extend_schema(responses=LintRulesOut)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The rules on documents, and what this tenant makes of them: `off`, `on`, or `blocks` publishing."""
        context = {"choices": LintRule.objects.chosen()}
        return Response(LintRulesOut({"rules": list(RULES.values())}, context=context).data)

    @extend_schema(request=LintRulesIn, responses=LintRulesOut)
    def patch(self, request: Request) -> Response:
        """Choose what is named. It counts for all revisions, also for those that are there."""
        change_rules(self.read(LintRulesIn)["rules"], by=self.user)
        return self.get(request)
