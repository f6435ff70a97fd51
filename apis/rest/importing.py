"""Large documents: taken at once, read by a job."""

import json
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apis import document_at
from apis.actions import importing, publishing
from apis.models import DocumentImport
from apis.openapi import BY_A_JOB
from apis.openapi_source import DocumentError, refuse_large
from apis.rest.publishing import ApisView
from apis.serializers import DocumentImportOut, ImportIn
from tenants.errors import Invalid
from tenants.rest import OwnScope, TenantRestView

LOCATION = OpenApiParameter("Location", str, OpenApiParameter.HEADER, description="Where to ask how far it is.", response=[202])


class DocumentImports(OwnScope, ApisView):
    access = {"POST": "apis.publish"}
    # Text in JSON is longer than the text.
    max_body = BY_A_JOB.most_bytes * 5 // 4

    @extend_schema(request=ImportIn, responses={202: OpenApiResponse(DocumentImportOut)}, parameters=[LOCATION])
    def post(self, request: Request, api: str, version: str) -> Response:
        """Import a document of up to 16 MB, sent or fetched from its address. A job reads it and adds the revision; ask at the answer's
        `Location` how far it is.

        One at a time per person. What came of it is kept there for a day.
        """
        with self.scope():
            self.version(api, version)
        given = self.read(ImportIn)
        source = _source(given)
        aim, secrets = self.aim(given)
        with self.scope():
            self.check_permissions(request)
            found = self.version(api, version)
            begun = importing.begin(**source, version=found, aim=aim, **secrets, by=self.user)
        address = reverse("import", args=[self.tenant.slug, begun.pk])
        return Response(DocumentImportOut(begun).data, status=202, headers={"Location": address})

    def aim(self, given: dict[str, Any]) -> tuple[importing.Aim, dict[str, str]]:
        """What is told beside the document, and the secrets among it. :raises Invalid: the upstream can't be called."""
        if given["mock"]:
            return importing.Aim(mock=True, note=given["note"]), {}
        told = given["upstream"]
        target = publishing.check_target(**told)
        told = {name: value for name, value in told.items() if name not in {"url", "secret", "client_key"}}
        aim = importing.Aim(upstream=given["upstream"]["url"], note=given["note"], **told)
        return aim, {"secret": target.secret, "client_key": target.client_key}


def _source(given: dict[str, Any]) -> dict[str, str]:
    """What `importing.begin` is given. :raises Invalid: nothing that could be read."""
    if url := given.get("document_url"):
        try:
            document_at.check_address(url)
        except document_at.FetchRefused as refused:
            raise Invalid({"document_url": [str(refused)]}) from None
        return {"url": url}
    document = given["document"] if isinstance(given["document"], str) else json.dumps(given["document"], ensure_ascii=False)
    try:
        refuse_large(len(document.encode()), BY_A_JOB.most_bytes)
    except DocumentError as error:
        raise Invalid({"document": [error.problems[0].message]}) from None
    return {"document": document}


class DocumentImportDetail(TenantRestView):
    access = {"GET": "apis.publish"}

    @extend_schema(responses=DocumentImportOut)
    def get(self, request: Request, pk: UUID) -> Response:  # noqa: ARG002
        """How far an import of one's own is, and what came of it."""
        rows = DocumentImport.objects.of(self.user).select_related("revision").defer("document", "revision__document")
        found: DocumentImport = get_object_or_404(rows, pk=pk)
        return Response(DocumentImportOut(found).data)
