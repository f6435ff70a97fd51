"""Forms of pages: they check shape, actions check rules. What was typed is never cut or lost."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.core.validators import MaxLengthValidator
from django.forms.renderers import TemplatesSetting
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants import throttle
from tenants.errors import Invalid, NotAllowed
from tenants.serializers import is_text
from tenants.throttle import TooMany


class Renderer(TemplatesSetting):
    """`{{ form.name.as_field_group }}` draws our field, also of forms that libraries bring."""

    field_template_name = "components/field.html"


class Text(forms.CharField):
    """Text of a person, bounded; longer text comes back with a sentence, and is not cut while it is pasted."""

    def __init__(self, *, most: int, lines: int = 1, empty: bool = False, **more: Any) -> None:
        widget = forms.Textarea(attrs={"rows": lines}) if lines > 1 else forms.TextInput()
        super().__init__(required=not empty, **{"widget": widget, **more})
        self.most = most
        self.validators.append(MaxLengthValidator(most, gettext_lazy("This has %(show_value)s characters; %(limit_value)s are the most.")))

    def to_python(self, value: Any) -> str:
        text = str(super().to_python(value)).replace("\r\n", "\n")
        if not is_text(text):
            raise forms.ValidationError(_("Control characters can't be used here."))
        return text


WITH_A_FRAME = (
    forms.TextInput, forms.EmailInput, forms.PasswordInput, forms.Textarea, forms.Select, forms.NumberInput, forms.FileInput,
)  # fmt: skip


class PageForm(forms.Form):
    """`once` makes the second of two equal submissions a refusal, see `claim`."""

    once = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)
    # Of the answer that shows the form, see portal.pages.asking.carried_out.
    http_status = 200
    # Whether `claim` found that it was: what a page shows once, it shows once.
    sent_before = False

    def __init__(self, *args: Any, more: Mapping[str, forms.Field] | None = None, **kwargs: Any) -> None:
        """:param more: fields that are known in a request alone."""
        super().__init__(*args, **kwargs)
        self.fields |= more or {}
        self.fields["once"].initial = uuid4().hex
        for field in self.fields.values():
            field.error_messages["required"] = _("Fill this in.")
            if isinstance(field.widget, WITH_A_FRAME):
                field.widget.attrs["class"] = f"{field.widget.attrs.get('class', '')} input".strip()
            # Silently cut by the browser, pasted text would be lost.
            field.widget.attrs.pop("maxlength", None)

    def claim(self) -> None:
        """Take this submission as the one that counts; in the action's transaction, so that a refused one may be sent again.

        :raises NotAllowed: it was sent before.
        """
        token = self.cleaned_data.get("once")
        try:
            if token:
                throttle.attempt(f"form {token}", limit=1, seconds=3600)
        except TooMany:
            self.sent_before = True
            raise NotAllowed(_("This was sent twice, and done once.")) from None

    def put(self, name: str, text: str) -> None:
        """Show this in place of what was sent."""
        assert isinstance(self.data, QueryDict)
        self.data = self.data.copy()
        self.data[name] = text

    def refuse(self, refusal: NotAllowed | Invalid) -> None:
        """Show what a rule answered, at the fields it names where they are."""
        problems = refusal.problems if isinstance(refusal, Invalid) else {"": [str(refusal)]}
        for name, sentences in problems.items():
            self.add_error(name if name in self.fields else NON_FIELD_ERRORS, [*sentences])


class ReasonForm(PageForm):
    reason = Text(most=500, lines=3, label=gettext_lazy("Reason"), help_text=gettext_lazy("Those it concerns read it."))


class OptionalReasonForm(PageForm):
    reason = Text(most=500, lines=3, empty=True, label=gettext_lazy("Reason"), help_text=gettext_lazy("Those it concerns read it."))
