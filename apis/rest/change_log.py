from django.utils.translation import get_language
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis import change_log
from apis.rest.publishing import ApisView
from apis.serializers_catalogue import EntryOut
from tenants.paging import NewestFirst


class ChangeLog(ApisView):
    access = {"GET": "apis.see_published"}

    @extend_schema(responses=EntryOut(many=True))
    def get(self, request: Request, api: str) -> Response:
        """What happened to an API, for its callers: what each revision that they had changed, and what became of its versions."""
        paginator = NewestFirst()
        events = paginator.paginate_queryset(change_log.happened(self.api(api)), request, view=self) or []
        found = change_log.entries(events, language=get_language() or "en")
        return paginator.get_paginated_response(EntryOut(found, many=True).data)
