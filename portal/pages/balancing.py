"""Further targets of an upstream, and the checks of their health, as forms about an API ask for them."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apis import balancing
from apis.balancing import BY_ITSELF
from apis.connections import ConnectionRefused
from portal.forms import PageForm, Text
from portal.pages.plans import number


class TargetsField(Text):
    """One target per line; what comes of it are dictionaries, as apis.balancing.read takes them."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(balancing.as_line, value)) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        lines = [(at, line) for at, line in enumerate(str(super().clean(value)).split("\n"), 1) if line.strip()]
        found, problems = [], []
        for at, line in lines:
            try:
                found.append(balancing.line(line))
            except ConnectionRefused as refused:
                problems.append(_("Line %(line)s: %(sentence)s") % {"line": at, "sentence": _(refused.sentence) % refused.named})
        if problems:
            raise forms.ValidationError(problems)
        return found


class BalancingForm(PageForm):
    further_targets = TargetsField(
        most=4_000,
        empty=True,
        label=gettext_lazy("Further targets"),
        help_text=gettext_lazy(
            "One per line, such as b.example.com:8443 20: host, port and a weight from 0 to 100. Without a port it is the address's, "
            "without a weight 1. The rest is as with the address above."
        ),
        widget=forms.Textarea(attrs={"class": "mono", "rows": 3, "spellcheck": "false", "autocomplete": "off"}),
    )
    weight = number(
        0,
        balancing.MOST_WEIGHT,
        required=False,
        initial=balancing.NONE.weight,
        label=gettext_lazy("Weight of the address above"),
        help_text=gettext_lazy("Its share of the calls beside those of the further targets. Whatever has 0 gets none."),
    )
    health_path = Text(
        most=balancing.MOST_PATH,
        empty=True,
        label=gettext_lazy("Path that is checked"),
        help_text=gettext_lazy(
            "Such as /healthz: whole, whatever stands in the address. Gateways look there without a secret, and call only what answers "
            "well. Empty for no checks."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    health_status = Text(
        most=20,
        empty=True,
        initial=BY_ITSELF.status,
        label=gettext_lazy("Status that is well"),
        help_text=gettext_lazy("Such as 200, or 200-299; up to 399."),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "spellcheck": "false"}),
    )
    health_interval = number(*balancing.INTERVALS, required=False, initial=BY_ITSELF.interval, label=gettext_lazy("Seconds between checks"))
    health_timeout_ms = number(
        *balancing.TIMEOUTS_MS, required=False, initial=BY_ITSELF.timeout_ms, label=gettext_lazy("Milliseconds to answer a check")
    )
    health_failures = number(
        *balancing.IN_A_ROW, required=False, initial=BY_ITSELF.failures, label=gettext_lazy("Failed checks in a row that end its calls")
    )
    health_successes = number(
        *balancing.IN_A_ROW, required=False, initial=BY_ITSELF.successes, label=gettext_lazy("Good checks in a row that bring them back")
    )

    def clean(self) -> dict[str, Any]:
        told = super().clean() or self.cleaned_data
        # What is left empty is as it is by itself.
        for name in balancing.NAMES:
            if told.get(name) in (None, ""):
                told[name] = self.fields[name].initial if self.fields[name].initial is not None else ""
        return told

    @property
    def targets_are_open(self) -> bool:
        return bool({"further_targets", "weight"} & set(self.errors) or self["further_targets"].value())

    @property
    def checks_are_open(self) -> bool:
        return bool(set(balancing.HEALTH) & set(self.errors) or self["health_path"].value())
