"""OpenAPI documents as people give them: pasted, as a file or by its address, read, and shown with what is wrong beside its lines."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apis import document_at, openapi
from apis.findings import Lint
from apis.openapi import BY_A_JOB, Document, DocumentError, Problem
from apis.openapi_source import MAX_BYTES, decode
from portal.forms import PageForm, Text
from tenants.errors import Busy

# Lines before and after one with a problem, and characters of a line.
AROUND = 2
WIDE = 160
TOO_LARGE = gettext_lazy("The document is larger than 2 MB. Choose it as a file.")
TOO_LARGE_A_FILE = gettext_lazy("The document is larger than 16 MB.")


class DocumentForm(PageForm):
    """`cleaned_data["text"]` is the document: the file's, else what was pasted; `by_a_job` whether a job has to read it, or to fetch
    it from `document_url` first.
    """

    document = forms.CharField(
        required=False,
        strip=False,
        label=gettext_lazy("OpenAPI document"),
        help_text=gettext_lazy("OpenAPI 3.0 or 3.1, or Swagger 2.0, as YAML or JSON."),
        widget=forms.Textarea(attrs={"class": "code-input", "rows": 20, "spellcheck": "false", "autocomplete": "off"}),
    )
    file = forms.FileField(
        required=False,
        allow_empty_file=True,
        label=gettext_lazy("Or a file"),
        help_text=gettext_lazy("At most 16 MB. It takes the place of what stands above."),
        widget=forms.FileInput(attrs={"accept": ".yaml,.yml,.json", "data-into": "id_document"}),
    )
    document_url = Text(
        most=document_at.MAX_URL,
        empty=True,
        label=gettext_lazy("Or its address"),
        help_text=gettext_lazy("Begins with https://. Portico fetches it once, and it takes the place of what stands above."),
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"}),
    )
    # Whether nothing at all may be given.
    may_be_empty = False

    def clean_document(self) -> str:
        text: str = self.cleaned_data["document"].replace("\r\n", "\n")
        if len(text.encode()) > MAX_BYTES:
            raise forms.ValidationError(TOO_LARGE)
        return text

    def clean_file(self) -> str | None:
        given: UploadedFile[Any] | None = self.cleaned_data["file"]
        if given is None:
            return None
        if (given.size or 0) > BY_A_JOB.most_bytes:
            raise forms.ValidationError(TOO_LARGE_A_FILE)
        try:
            text = decode(given.read(), most_bytes=BY_A_JOB.most_bytes)
        except DocumentError as error:
            raise forms.ValidationError(str(error)) from None
        if "\x00" in text:
            # It can't be kept, so it can't be shown beside its problems.
            raise forms.ValidationError(_("This is no text file: it holds a NUL byte."))
        return text.replace("\r\n", "\n")

    def clean_document_url(self) -> str:
        url: str = self.cleaned_data["document_url"].strip()
        try:
            if url:
                document_at.check_address(url)
        except document_at.FetchRefused as refused:
            raise forms.ValidationError(str(refused)) from None
        return url

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        file, url = data.get("file"), data.get("document_url")
        data["text"] = data.get("document", "") if file is None else file
        data["by_a_job"] = bool(url) or len(data["text"].encode()) > MAX_BYTES
        if url and file is not None:
            self.add_error("document_url", _("Choose a file or write an address, not both."))
        if not self.errors and not url and not data["text"].strip() and not (self.may_be_empty and file is None):
            self.add_error("document", _("Paste a document, choose a file that has one, or write where it stands."))
        return data

    @property
    def source(self) -> dict[str, Any]:
        """What `importing.begin` is given."""
        url = self.cleaned_data["document_url"]
        return {"url": url} if url else {"document": self.cleaned_data["text"]}


@dataclass(frozen=True, slots=True)
class Reading:
    """A document as it was found: read, or with the problems that it has."""

    text: str
    document: Document | None
    problems: tuple[Problem, ...] = ()

    @property
    def found(self) -> Lint | None:
        """What the rules found in it."""
        return self.document.lint if self.document else None

    @property
    def lines(self) -> "list[Line]":
        return list(lines(self.text, self.problems))


def read(text: str) -> Reading:
    """In seconds, perhaps: no transaction may wait for it.

    :raises Busy: others are read just now.
    """
    try:
        return Reading(text, openapi.read(text, gateway=settings.GATEWAY_URL))
    except openapi.TooManyAtOnceError:
        raise Busy(_("Portico reads other documents just now. Yours is still here; try again in a few seconds.")) from None
    except DocumentError as error:
        return Reading(text, None, error.problems)


def as_typed(request: HttpRequest) -> bool:
    """Whether the page itself asks, while the document is being typed, what is wrong with it."""
    htmx: Any = getattr(request, "htmx", None)
    return bool(htmx) and htmx.target == "problems"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a document; `gap`: those before it are left out."""

    number: int
    text: str
    wrong: bool
    gap: bool


def lines(text: str, problems: Iterable[Problem]) -> Iterator[Line]:
    """Those with problems and a few round each, the long ones cut to where the problem is."""
    source = text.split("\n")
    columns: dict[int, int] = {}
    for problem in problems:
        columns.setdefault(min(problem.line, len(source)), problem.column)
    shown = {near for number in columns for near in range(number - AROUND, number + AROUND + 1) if 1 <= near <= len(source)}
    last = 0
    for number in sorted(shown):
        yield Line(number, _cut(source[number - 1], columns.get(number, 1)), number in columns, gap=number > last + 1)
        last = number


def _cut(line: str, column: int) -> str:
    if len(line) <= WIDE:
        return line
    start = max(0, min(column - 1 - WIDE // 4, len(line) - WIDE))
    return f"{'…' if start else ''}{line[start : start + WIDE]}{'…' if start + WIDE < len(line) else ''}"
