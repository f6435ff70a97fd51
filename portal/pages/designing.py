"""A document written in the browser: begun with a list of operations, tidied, and looked at as its readers will."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import TextField
from django.db.models.functions import Cast, Length
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods
from django_htmx.http import trigger_client_event

from apis import reference, writing
from apis.actions import drafts
from apis.models import Draft, Operation, Revision
from apis.openapi_source import MAX_BYTES
from apis.yaml_text import as_yaml
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import documents
from portal.pages.documents import DocumentForm
from tenants.access import TenantRequest, inside, own_scope, tenant_view
from tenants.errors import Busy
from tenants.scope import tenant_scope

# So many operations are shown in a preview.
PREVIEWED = 40
TIDY, PREVIEW = "document-field", "preview"
MEANT = {
    "method": gettext_lazy("Line %(line)s begins with no method. Write it like: GET /orders/{id} One order."),
    "path": gettext_lazy("Line %(line)s has no path after the method, or one with characters that can't stand in a path."),
    "braces": gettext_lazy("Line %(line)s has a parameter that isn't whole, or one name twice. Write it like: /orders/{id}."),
    "twice": gettext_lazy("Line %(line)s has an operation that stands above already."),
    "many": gettext_lazy("Line %(line)s is one too many: begin with 100 operations at most."),
    "none": gettext_lazy("Write one operation at least."),
}


class SketchForm(PageForm):
    """`cleaned_data["operations"]` are Sketches."""

    title = Text(most=80, label=gettext_lazy("Name"), help_text=gettext_lazy("As developers read it in the catalogue."))
    description = Text(
        most=5000,
        lines=4,
        empty=True,
        label=gettext_lazy("Description"),
        help_text=gettext_lazy("What it is good for, in Markdown."),
    )
    operations = Text(
        most=50_000,
        label=gettext_lazy("Operations"),
        help_text=gettext_lazy("One in each line: the method, the path, and what it does."),
        widget=forms.Textarea(
            attrs={
                "class": "code-input",
                "rows": 8,
                "spellcheck": "false",
                "autocomplete": "off",
                "placeholder": "GET /orders All orders\nPOST /orders Place an order\nGET /orders/{id} One order",
            }
        ),
    )
    replace = forms.BooleanField(
        label=gettext_lazy("Replace the document of my draft"),
        help_text=gettext_lazy("You have begun an API already. What you told about it stays, and its document goes."),
    )

    def __init__(self, *args: Any, draft: Draft | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if draft is None:
            del self.fields["replace"]
        else:
            self.fields["replace"].error_messages["required"] = _("Say that the document of your draft may go, or leave this.")

    def clean_operations(self) -> list[writing.Sketch]:
        try:
            return writing.sketches(self.cleaned_data["operations"])
        except writing.SketchError as error:
            raise forms.ValidationError(MEANT[error.kind] % {"line": error.line}) from None


@tenant_view("apis.publish")
@own_scope
@require_http_methods(["GET", "HEAD", "POST"])
def begin(request: TenantRequest) -> HttpResponse:
    """A new API without a document: a list of operations is made one, which then is edited as any other."""
    with tenant_scope(request.tenant.pk):
        draft = Draft.objects.of(request.user).defer("large").first()
        if request.method != "POST":
            return render(request, "wizard/begin.html", {"form": SketchForm(given(request), draft=draft)})
    form, status = SketchForm(request.POST, draft=draft), 422
    if form.is_valid():
        told = form.cleaned_data
        text = as_yaml(writing.begin(title=told["title"], description=told["description"], operations=told["operations"]))
        try:
            reading = documents.read(text)
            with inside(request, "apis.publish"):
                drafts.write(document=text, read=reading.document, problems=reading.problems, by=request.user)
            messages.success(request, _("The document is written. Change in it what you like, then go on."))
            return redirect("console-api-new", request.tenant.slug)
        except Busy as busy:
            status = 503
            form.add_error(None, str(busy))
    with tenant_scope(request.tenant.pk):
        return render(request, "wizard/begin.html", {"form": form}, status=status)


def answered(request: TenantRequest) -> HttpResponse | None:
    """What one of the two buttons under a document asks for; None if neither was pressed."""
    htmx: Any = getattr(request, "htmx", None)
    asked = htmx.target if htmx else None
    if asked not in {TIDY, PREVIEW}:
        return None
    form = DocumentForm(request.POST)
    reading = None
    if form.is_valid():
        try:
            reading = documents.read(form.cleaned_data["text"])
        except Busy as busy:
            form.add_error("document", str(busy))
    if asked == TIDY and reading is not None:
        _tidy(form, reading)
    with inside(request, "apis.publish"):
        if asked == TIDY:
            answer = render(request, "documents/_field.html", {"form": form})
            # What was found in it stands by other lines now.
            return trigger_client_event(answer, "formatted", after="settle")
        return render(request, "documents/_preview.html", {"form": form, "reading": reading, **_preview(reading)})


def _tidy(form: DocumentForm, reading: documents.Reading) -> None:
    if reading.document is None:
        form.add_error("document", _("It can be formatted once it can be read: mend first what is wrong with it."))
        return
    try:
        form.put("document", writing.tidied(reading.text, reading.document.content))
    except writing.Comments:
        form.add_error("document", _("It has comments, which would be lost, so it stays as it is."))
    except writing.TooLong:
        form.add_error("document", _("It is too long to be formatted here: 500,000 characters are the most."))


def _preview(reading: documents.Reading | None) -> dict[str, Any]:
    if reading is None or reading.document is None:
        return {}
    found = reading.document
    return {
        "groups": reference.reference(found.content, found.operations[:PREVIEWED], gettext=_),
        "description": found.content["info"].get("description", ""),
        "left_out": max(0, len(found.operations) - PREVIEWED),
    }


def of_revision(revision: Revision) -> str | None:
    """Its document as text to edit; None where it is too large for a page."""
    sized = Revision.objects.filter(pk=revision.pk).annotate(size=Length(Cast("document", TextField()))).values_list("size", flat=True)
    if sized[0] > MAX_BYTES:
        return None
    content = Revision.objects.values_list("document", flat=True).get(pk=revision.pk)
    text = writing.editable(content, Operation.objects.filter(revision=revision).order_by("pk").values_list("path", flat=True))
    return text if len(text.encode()) <= MAX_BYTES else None


urlpatterns = [path("t/<str:tenant>/console/new-api/begin/", begin, name="console-api-new-begin")]
