"""The fields of forms about accounts."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

PASSWORD_RULES = _("Twelve characters or more, none that many people use, and not like your name or address.")


class NewPassword(forms.CharField):
    def __init__(self, **more: Any) -> None:
        widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
        super().__init__(**{"strip": False, "max_length": 1000, "widget": widget, "help_text": PASSWORD_RULES, **more})
        self.error_messages["max_length"] = _("This is longer than any password here.")


class EmailAddressField(forms.EmailField):
    """An address in ASCII, in lower case. Letters of other scripts look like ours: domains with them are typed, kept and shown as
    punycode (xn--…), which looks like nothing else.
    """

    def __init__(self, **more: Any) -> None:
        super().__init__(**{"max_length": 254, "label": _("E-mail"), **more})
        self.error_messages["invalid"] = _("This is no e-mail address.")
        self.error_messages["max_length"] = _("This is longer than any e-mail address.")
        self.widget.attrs["autocapitalize"] = "none"

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).lower()

    def validate(self, value: str) -> None:
        super().validate(value)
        if not value.isascii():
            raise forms.ValidationError(
                gettext("Write it in the letters a to z. A domain such as münchen.example is written xn--mnchen-3ya.example.")
            )


def focus(form: forms.Form) -> None:
    """Begin to type at the first field that something is wrong with, else at the first."""
    names = [field.name for field in form.visible_fields()]
    form.fields[next((name for name in names if name in form.errors), names[0])].widget.attrs["autofocus"] = True
