"""What an API's gateway asks of calls, and does to them: one page with all of its policies."""

from collections.abc import Callable, Iterator
from typing import Any

from django.forms import BooleanField, BoundField, IntegerField, Textarea, TypedChoiceField, ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis import policies
from apis.actions.policies import change_policies
from apis.models import Api
from apis.models.api import limit_in_words
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.apis import api_page
from portal.pages.shares import divided
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event


def _lines(**more: Any) -> Text:
    """One entry per line, as machines write them."""
    widget = Textarea(attrs={"class": "mono", "rows": 5, "spellcheck": "false", "autocomplete": "off"})
    return Text(most=20_000, empty=True, widget=widget, **more)


class PoliciesForm(PageForm):
    ip_allow = _lines(
        label=gettext_lazy("Networks that may call it"),
        help_text=gettext_lazy("One per line, such as 203.0.113.0/24 or 2001:db8::/32; a single address is one, too. Empty for everybody."),
    )
    ip_deny = _lines(
        label=gettext_lazy("Networks that may not call it"),
        help_text=gettext_lazy("These are refused even where the list above lets them in."),
    )

    max_body_kib = IntegerField(
        required=False,
        label=gettext_lazy("Largest body of a call, in KiB"),
        help_text=gettext_lazy("1024 is one MiB. Empty for no limit. With one, callers have to say the length of what they send."),
        error_messages={"invalid": gettext_lazy("Write a whole number.")},
    )

    max_calls = IntegerField(
        required=False,
        label=gettext_lazy("Most calls"),
        help_text=gettext_lazy("Of all callers together, whatever their plans. Empty for no ceiling."),
        error_messages={"invalid": gettext_lazy("Write a whole number.")},
    )
    max_calls_seconds = TypedChoiceField(
        choices=[(1, gettext_lazy("a second")), (60, gettext_lazy("a minute"))],
        coerce=int,
        required=False,
        label=gettext_lazy("In what time"),
    )

    set_request_headers = _lines(
        label=gettext_lazy("Headers that calls get"),
        help_text=gettext_lazy("One per line, such as X-Source: gateway; in place of what the caller sent under this name."),
    )
    remove_request_headers = _lines(
        label=gettext_lazy("Headers that calls lose"),
        help_text=gettext_lazy("One name per line. The upstream never sees them."),
    )
    set_response_headers = _lines(
        label=gettext_lazy("Headers that answers get"),
        help_text=gettext_lazy(
            "One per line, such as Strict-Transport-Security: max-age=31536000; refusals of its operations get them, too."
        ),
    )
    remove_response_headers = _lines(
        label=gettext_lazy("Headers that answers lose"),
        help_text=gettext_lazy("One name per line, such as Server. The caller never sees them."),
    )

    retries = IntegerField(
        required=False,
        label=gettext_lazy("How often a call is tried again"),
        help_text=gettext_lazy(
            "Up to 3 times, where the upstream can't be reached; after a 502, 503 or 504 with methods that may be repeated, so not POST."
        ),
        error_messages={"invalid": gettext_lazy("Write a whole number.")},
    )
    retry_percent = IntegerField(
        required=False,
        label=gettext_lazy("Share of calls that may be tried again at once, in percent"),
        help_text=gettext_lazy("So that an upstream in trouble is not called even more. Empty for 20; three at once always may."),
        error_messages={"invalid": gettext_lazy("Write a whole number.")},
    )
    streaming = BooleanField(
        required=False,
        label=gettext_lazy("Answers stream"),
        help_text=gettext_lazy("They may take as long as they like, in place of the upstream's timeout; five minutes of silence end them."),
    )

    compress = BooleanField(
        required=False,
        label=gettext_lazy("Answers are compressed"),
        help_text=gettext_lazy("Text of 1,000 bytes or more, with Brotli or gzip, for callers that say they take it (Accept-Encoding)."),
    )

    # What stands together on the page.
    GROUPS: tuple[tuple[Promise, Promise, tuple[str, ...]], ...] = (
        (
            gettext_lazy("From where"),
            gettext_lazy("What counts is the address that the call reaches the gateway from. Others are answered 403 IP_DENIED."),
            ("ip_allow", "ip_deny"),
        ),
        (
            gettext_lazy("How much"),
            gettext_lazy("Larger calls are answered 413 REQUEST_TOO_LARGE before anything of them is passed on."),
            ("max_body_kib",),
        ),
        (
            gettext_lazy("How often"),
            gettext_lazy("It protects the upstream. Calls beyond it are answered 429 API_LIMITED, and count for their callers' plans."),
            ("max_calls", "max_calls_seconds"),
        ),
        (
            gettext_lazy("Headers"),
            gettext_lazy(
                "Values are passed on as they are typed. Put no secret there: the upstream's own is set with its address, and sealed."
            ),
            ("set_request_headers", "remove_request_headers", "set_response_headers", "remove_response_headers"),
        ),
        (
            gettext_lazy("At the upstream"),
            gettext_lazy("What happens where it is slow, or fails."),
            ("retries", "retry_percent", "streaming"),
        ),
        (
            gettext_lazy("Answers"),
            gettext_lazy("Leave it off where an answer repeats what a caller sent beside something secret: its length would tell of it."),
            ("compress",),
        ),
    )

    def groups(self) -> Iterator[tuple[Promise, Promise, list[BoundField]]]:
        for title, says, names in self.GROUPS:
            yield title, says, [self[name] for name in names]

    def clean_ip_allow(self) -> list[str]:
        return self._read("ip_allow", policies.network)

    def clean_ip_deny(self) -> list[str]:
        return self._read("ip_deny", policies.network)

    def clean_max_body_kib(self) -> int:
        return self.cleaned_data["max_body_kib"] or 0

    def clean_max_calls(self) -> int:
        return self.cleaned_data["max_calls"] or 0

    def clean_max_calls_seconds(self) -> int:
        return self.cleaned_data["max_calls_seconds"] or policies.NONE.max_calls_seconds

    def clean_retries(self) -> int:
        return self.cleaned_data["retries"] or 0

    def clean_retry_percent(self) -> int:
        given_share: int | None = self.cleaned_data["retry_percent"]
        return policies.NONE.retry_percent if given_share is None else given_share

    def clean_set_request_headers(self) -> dict[str, str]:
        return self._read_set("set_request_headers", policies.name_in_requests)

    def clean_set_response_headers(self) -> dict[str, str]:
        return self._read_set("set_response_headers", policies.name_in_responses)

    def clean_remove_request_headers(self) -> list[str]:
        return self._read("remove_request_headers", policies.name_in_requests)

    def clean_remove_response_headers(self) -> list[str]:
        return self._read("remove_response_headers", policies.name_in_responses)

    def _read_set(self, field: str, read: Callable[[str], str]) -> dict[str, str]:
        found: dict[str, str] = {}

        def pair(line: str) -> None:
            given, colon, said = line.partition(":")
            if not colon:
                raise policies.PolicyRefused(_("“%(line)s” has no colon; write Name: value."), line=line.strip()[:60])
            name = read(given)
            if name in found:
                raise policies.PolicyRefused(_("%(header)s is set twice; a header gets one value."), header=name)
            found[name] = policies.value(name, said)

        self._read(field, pair)
        return found

    def _read(self, name: str, read: Callable[[str], object]) -> list[str]:
        """The lines; each is judged by itself, so that all that are wrong are named at once."""
        lines = [(number, line) for number, line in enumerate(self.cleaned_data[name].split("\n"), 1) if line.strip()]
        problems = [said for number, line in lines if (said := _wrong_with(number, line, read))]
        if problems:
            raise ValidationError(problems)
        return [line for _number, line in lines]


def _wrong_with(number: int, line: str, read: Callable[[str], object]) -> str:
    try:
        read(line)
    except policies.PolicyRefused as refused:
        return _("Line %(line)s: %(sentence)s") % {"line": number, "sentence": _(refused.sentence) % refused.named}
    return ""


def _as_typed(kept: policies.Policies) -> dict[str, Any]:
    return {
        "ip_allow": "\n".join(kept.ip_allow),
        "ip_deny": "\n".join(kept.ip_deny),
        "max_body_kib": kept.max_body_kib or None,
        "max_calls": kept.max_calls or None,
        "max_calls_seconds": kept.max_calls_seconds,
        "set_request_headers": "\n".join(f"{name}: {value}" for name, value in kept.set_request_headers),
        "remove_request_headers": "\n".join(kept.remove_request_headers),
        "set_response_headers": "\n".join(f"{name}: {value}" for name, value in kept.set_response_headers),
        "remove_response_headers": "\n".join(kept.remove_response_headers),
        "retries": kept.retries or None,
        "retry_percent": None if kept.retry_percent == policies.NONE.retry_percent else kept.retry_percent,
        "streaming": kept.streaming,
        "compress": kept.compress,
    }


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def api_policies(request: TenantRequest, api: str) -> HttpResponse:
    found: Api = get_object_or_404(Api.objects, slug=api)
    form = PoliciesForm(given(request), initial=_as_typed(policies.Policies.of(found.policies)))

    def change(typed: dict[str, Any]) -> Event | None:
        typed.pop("once")
        return change_policies(found, given=typed, by=request.user)

    if done := asking.carried_out(request, form, change):
        said = _("The policies of %(api)s are changed.") % {"api": found} if done.result else _("Nothing was changed.")
        return asking.finished(request, back=api_page(request, found), said=said, event=done.result)
    now = policies.Policies.of(found.policies)
    limit = limit_in_words(now.max_calls, now.max_calls_seconds) if now.max_calls else ""
    context = {"form": form, "api": found, "divided": divided(request, limit, at_once=now.max_calls)}
    return render(request, "apis/policies.html", context, status=form.http_status)


urlpatterns = [path("t/<str:tenant>/console/apis/<str:api>/policies/", api_policies, name="console-api-policies")]
