"""What a provider answered when it was asked for its models with a key, and what that says of the key."""

import json
from enum import StrEnum

SECONDS = 5.0
# A list of some hundred models with all that is said of each.
MOST_BYTES = 1024 * 1024


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever shows it translates it."""
    return sentence


class Found(StrEnum):
    WORKS = "works"
    REFUSED = "refused"
    QUOTA = "quota"
    NO_LIST = "no_list"
    REDIRECT = "redirect"
    STATUS = "status"
    HTML = "html"
    NOT_JSON = "not_json"
    SLOW = "slow"
    LARGE = "large"
    FORBIDDEN = "forbidden"
    UNTRUSTED = "untrusted"
    SILENT = "silent"


# Nothing that was answered stands in them: it could hold the key.
SENTENCES = {
    Found.REFUSED: _("%(host)s refused the key (%(status)s). Look whether it is still valid there, or add another one."),
    Found.QUOTA: _("%(host)s takes no more of this key for now (429): what it may use is used up."),
    Found.NO_LIST: _("%(host)s has no list of models there (%(status)s), so the key can't be tested. Look at the base URL."),
    Found.REDIRECT: _("%(host)s answered %(status)s, which leads elsewhere. Portico does not go there: the key would go along."),
    Found.STATUS: _("%(host)s answered %(status)s."),
    Found.HTML: _("%(host)s answered with a web page in place of data. Look at the base URL."),
    Found.NOT_JSON: _("%(host)s answered, but not with a list of models. Look at the base URL."),
    Found.SLOW: _("%(host)s did not answer within %(seconds)s seconds."),
    Found.LARGE: _("%(host)s answered with more than a list of models has. Look at the base URL."),
    Found.FORBIDDEN: _("%(host)s has no address that may be called."),
    Found.UNTRUSTED: _("The certificate of %(host)s is not trusted."),
    Found.SILENT: _("%(host)s can't be reached."),
}


def found_in(status: int, content_type: str, body: bytes) -> tuple[Found, int]:
    """What an answer says, and how many models it names."""
    if status in {401, 403}:
        return Found.REFUSED, 0
    if status == 429:
        return Found.QUOTA, 0
    if status in {404, 405}:
        return Found.NO_LIST, 0
    if 300 <= status < 400:
        return Found.REDIRECT, 0
    if not 200 <= status < 300:
        return Found.STATUS, 0
    if content_type.partition(";")[0].strip().lower() in {"text/html", "application/xhtml+xml"}:
        return Found.HTML, 0
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return Found.NOT_JSON, 0
    models = told.get("data") if isinstance(told, dict) else None
    return (Found.WORKS, len(models)) if isinstance(models, list) else (Found.NOT_JSON, 0)
