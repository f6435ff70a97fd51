"""The token policy: how keys rotate, and how long what they sign lives."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.forms import BoundField
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis.models.api import time_in_words
from keys.actions.policies import FIELDS, change_policy
from keys.actions.signing import API_KEY_ROTATION, SKEW
from keys.models import TokenPolicy
from keys.models.token_policy import RANGES
from portal.forms import PageForm
from portal.kept import given
from portal.pages import asking
from portal.pages.keys import addresses
from portal.pages.plans import number
from tenants.access import TenantRequest, tenant_view

UNITS = {
    "seconds": (1, gettext_lazy("seconds")),
    "minutes": (60, gettext_lazy("minutes")),
    "hours": (3_600, gettext_lazy("hours")),
    "days": (86_400, gettext_lazy("days")),
}
TIMES = ("rotation", "token_lifetime", "overlap", "jwks_max_age")
_Algorithm = TokenPolicy.Algorithm
ALGORITHMS = {
    _Algorithm.ES256: gettext_lazy("ES256 (ECDSA P-256): short, quick to sign and to verify. Right where nothing asks for another."),
    _Algorithm.ES384: gettext_lazy("ES384 (ECDSA P-384): for rules that ask for it. Gateways take about four times as long."),
    _Algorithm.RS256_3072: gettext_lazy("RS256 with 3,072 bits: for verifiers that know RSA alone. Tokens are 400 characters longer."),
    _Algorithm.RS256_2048: gettext_lazy("RS256 with 2,048 bits: for verifiers that take no longer keys. The least that is allowed."),
    _Algorithm.EDDSA: gettext_lazy("EdDSA (Ed25519): as short and quick as ES256, if every verifier of yours knows it."),
}


def _time(label: Any) -> forms.IntegerField:
    return number(1, 365 * 86_400, label=label)


def _unit() -> forms.ChoiceField:
    return forms.ChoiceField(choices=[(name, word) for name, (_seconds, word) in UNITS.items()])


class PolicyForm(PageForm):
    """`cleaned_data` holds what `change_policy` takes: times in seconds."""

    algorithm = forms.ChoiceField(choices=list(ALGORITHMS.items()), widget=forms.RadioSelect, label=gettext_lazy("Algorithm"))
    rotation = _time(gettext_lazy("A new key every"))
    rotation_unit = _unit()
    token_lifetime = _time(gettext_lazy("Access tokens live"))
    token_lifetime_unit = _unit()
    overlap = _time(gettext_lazy("A retired key is trusted at least"))
    overlap_unit = _unit()
    jwks_max_age = _time(gettext_lazy("Verifiers may keep the JWKS for"))
    jwks_max_age_unit = _unit()
    api_key_days = number(1, 365, label=gettext_lazy("API keys live at most, in days"))

    def __init__(self, *args: Any, policy: TokenPolicy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, initial=_as_it_is(policy))
        for name, said in _what_it_does(policy).items():
            self.fields[name].help_text = said
        for name in TIMES:
            words = _("%(what)s: the unit") % {"what": self.fields[name].label}
            self.fields[f"{name}_unit"].widget.attrs["aria-label"] = words

    @property
    def times(self) -> Iterator[tuple[BoundField, BoundField]]:
        """Each number with its unit."""
        return ((self[name], self[f"{name}_unit"]) for name in TIMES)

    def clean(self) -> dict[str, Any]:
        """Ranges in the words of who typed them."""
        data: dict[str, Any] = super().clean() or {}
        for name in TIMES:
            unit = data.pop(f"{name}_unit", None)
            if unit is None or data.get(name) is None:
                continue
            data[name] *= UNITS[unit][0]
            least, most = RANGES[name]
            if not least <= data[name] <= most:
                said = _("Choose a time from %(least)s to %(most)s.")
                self.add_error(name, said % {"least": time_in_words(least), "most": time_in_words(most)})
        return data


def _as_it_is(policy: TokenPolicy) -> dict[str, Any]:
    """Each time in the largest unit that is whole."""
    found: dict[str, Any] = {"algorithm": policy.algorithm, "api_key_days": policy.api_key_days}
    for name in TIMES:
        seconds = getattr(policy, name)
        unit = next(unit for unit, (length, _word) in reversed(UNITS.items()) if not seconds % length)
        found |= {name: seconds // UNITS[unit][0], f"{name}_unit": unit}
    return found


def _what_it_does(policy: TokenPolicy) -> dict[str, str]:
    """Said before it is done."""
    skew = int(SKEW.total_seconds())
    often = time_in_words(int(API_KEY_ROTATION.total_seconds()))
    return {
        "algorithm": _(
            "Another algorithm rotates both keys: the new ones are announced within a minute, and sign %(time)s and %(skew)s seconds "
            "later, as soon as every gateway knows them. What the old ones signed works on until it ends."
        )
        % {"time": time_in_words(policy.jwks_max_age), "skew": skew},
        "rotation": _("The key for API keys changes at most every %(time)s, for it is trusted as long as the keys that it signed.")
        % {"time": often},
        "token_lifetime": _("Counts for tokens from now on. A stolen token works as long; 15 minutes are the most."),
        "overlap": _("After it signed its last. No shorter than tokens live."),
        "jwks_max_age": _("A new key signs only after this and %(skew)s seconds, so that no verifier meets a key that it does not know.")
        % {"skew": skew},
        "api_key_days": _("Counts for keys made from now on; those that there are keep their end."),
    }


@tenant_view("keys.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def policy(request: TenantRequest) -> HttpResponse:
    found = TokenPolicy.objects.get()
    form = PolicyForm(given(request), policy=found)
    if done := asking.carried_out(request, form, lambda typed: change_policy({name: typed[name] for name in FIELDS}, by=request.user)):
        said = _("The token policy is changed.") if done.result else _("Nothing was changed: the policy is as it was.")
        return asking.finished(request, back=reverse("console-keys", args=[request.tenant.slug]), said=said)
    return render(request, "keys/policy.html", {"form": form, "addresses": addresses(request)}, status=form.http_status)


urlpatterns = [path("t/<str:tenant>/console/keys/policy/", policy, name="console-keys-policy")]
