"""What is to come, as a calendar that other programs read (iCalendar, RFC 5545)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from icalendar import Alarm, Calendar, Event

# Calendar programs say it this long ahead.
ALARM = timedelta(days=-7)
# How often they are asked to look again (RFC 7986 §5.7).
REFRESH = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Entry:
    """One moment. `uid` is the same at each look, so that it moves instead of standing there twice; `since` is when it became known."""

    uid: str
    at: datetime
    since: datetime
    summary: str
    description: str
    url: str


def calendar(name: str, entries: Iterable[Entry], *, language: str) -> bytes:
    """The same bytes for the same entries."""
    found = Calendar()
    found.add("prodid", f"-//Portico//Portico//{language.upper()}")
    found.add("version", "2.0")
    found.add("calscale", "GREGORIAN")
    found.add("name", name)
    found.add("x-wr-calname", name)
    found.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    for entry in entries:
        found.add_component(_event(entry))
    text: bytes = found.to_ical()
    return text


def _event(entry: Entry) -> Event:
    event = Event()
    event.add("uid", entry.uid)
    event.add("dtstamp", entry.since.astimezone(UTC))
    event.add("dtstart", entry.at.astimezone(UTC))
    event.add("summary", entry.summary)
    event.add("description", entry.description)
    event.add("url", entry.url)
    # It takes no time of anybody's day.
    event.add("transp", "TRANSPARENT")
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", entry.summary)
    alarm.add("trigger", ALARM)
    event.add_component(alarm)
    return event
