"""What an API keeps of what is asked and answered: as people read it, and the field by which they agree."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apis.actions.content_logging import Standing
from apis.models import ContentLogging
from portal.forms import PageForm

AGREED, VERSION = "logging_agreed", "logging_version"


class Agreement(forms.BooleanField):
    """Nothing is asked for without it, and nobody but its reader ever ticks it."""

    def __init__(self) -> None:
        super().__init__(
            label=gettext_lazy("I agree"),
            help_text=gettext_lazy("You agree for the application, and can withdraw that at any time on its page."),
        )

    def validate(self, value: Any) -> None:
        if not value:
            raise forms.ValidationError(_("Read the text, and agree to it; without that nothing can be asked for."))


@dataclass(frozen=True, slots=True)
class Kept:
    """How a subscription stands to what its API keeps; `agree` and `withdraw` lead there, "" for who may not."""

    standing: Standing
    sentence: str
    agree: str
    withdraw: str


def sentence(logging: ContentLogging) -> str:
    """What is kept, and for how long."""
    if logging.requests and logging.answers:
        said = ngettext(
            "What is asked and what models answer is kept for %(days)s day.",
            "What is asked and what models answer is kept for %(days)s days.",
            logging.days,
        )
    elif logging.requests:
        said = ngettext("What is asked is kept for %(days)s day.", "What is asked is kept for %(days)s days.", logging.days)
    else:
        said = ngettext("What models answer is kept for %(days)s day.", "What models answer is kept for %(days)s days.", logging.days)
    return said % {"days": logging.days}


def fields_of(logging: ContentLogging | None, before: str = "") -> dict[str, forms.Field]:
    """One to agree by, and one that tells whether the page is old; none where nothing is kept."""
    if logging is None:
        return {}
    version = forms.CharField(widget=forms.HiddenInput, required=False, max_length=20, initial=str(logging.version))
    return {f"{before}{AGREED}": Agreement(), f"{before}{VERSION}": version}


def agreed_in(form: PageForm, logging: ContentLogging | None, before: str = "") -> int | None:
    """To which version somebody agreed, as actions take it.

    Where the page was drawn before the text changed, to none that there is; it is drawn with the new text then, and nothing is ticked.
    """
    if logging is None:
        return None
    if form.cleaned_data[f"{before}{VERSION}"] == str(logging.version):
        return logging.version
    form.put(f"{before}{VERSION}", str(logging.version))
    form.put(f"{before}{AGREED}", "")
    return 0
