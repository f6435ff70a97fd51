"""The change log of an API in the words of those who call it, for its tab in the catalogue and for its feed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.http import HttpRequest
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from apis import change_log
from apis.change_log import Entry
from apis.differences import Differences, Level
from apis.models import Api
from portal.news_words import WORDS
from portal.pages.listing import Page, page_of
from portal.pages.revision_changes import TONES, AtLevel, by_level
from portal.templatetags.ui import exact
from tenants.models import Event

# Each may have dozens of sentences.
PAGE = 10


@dataclass(frozen=True, slots=True)
class Told:
    """An entry: its title, what there is to know, what its publisher said about it, and what changed, by level.

    Of a level, `more` is how many changes are not listed.
    """

    entry: Entry
    title: str
    sentences: list[str]
    quote: str
    levels: list[AtLevel]


def page(request: HttpRequest, api: Api) -> tuple[Page[Event], list[Told]]:
    found = page_of(request, change_log.happened(api), size=PAGE)
    return found, told(found.rows)


def told(events: Sequence[Event], *, of: Api | None = None) -> list[Told]:
    """
    :param of: names the API in each title, for whoever reads of several.
    """
    entries = change_log.entries(events, language=get_language() or "en")
    return [Told(each, _title(each, of), _sentences(each), each.note or each.reason, _levels(each)) for each in entries]


def _title(entry: Entry, api: Api | None) -> str:
    named = {"version": f"{api} {entry.version}" if api else entry.version, "number": entry.number}
    match entry.kind:
        case change_log.LIVE:
            said = _("%(version)s is back at revision %(number)s") if entry.back else _("%(version)s changed: revision %(number)s")
        case "version.published":
            said = _("%(version)s is published")
        case "version.prereleased":
            said = _("%(version)s can be called as a prerelease")
        case kind:
            said = str(WORDS[kind][0])
    return said % named


def _sentences(entry: Entry) -> list[str]:
    found = []
    if entry.starts_at and entry.ends_at:
        said = _("Every call is refused from %(starts)s until %(ends)s.")
        found.append(said % {"starts": exact(entry.starts_at), "ends": exact(entry.ends_at)})
    if entry.sunset_at:
        found.append(_("It answers until %(day)s.") % {"day": exact(entry.sunset_at)})
    if entry.successor:
        found.append(_("Its successor is %(version)s.") % {"version": entry.successor})
    if entry.waits:
        found.append(_("What changed is being compared. Look again in a minute."))
    if entry.counts is not None and not any(entry.counts.values()):
        found.append(_("No operation changes for callers."))
    return found


def _levels(entry: Entry) -> list[AtLevel]:
    changes = entry.changes or ()
    listed = {each.level: each for each in by_level(Differences(changes))}
    found = []
    for level in Level:
        if many := (entry.counts or {}).get(level, 0):
            shown = listed.get(level) or AtLevel(level.value, TONES[level], 0, 0, [], 0)
            found.append(replace(shown, count=many, more=many - shown.count))
    return found
