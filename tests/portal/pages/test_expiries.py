"""What ends when: Carl sees his own, Ada everyone's; and each can have it in their calendar, at an address that is shown once."""

import logging
import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import icalendar
import pytest
from django.test import Client
from django.utils import timezone

from keys.actions import calendar_feeds, credentials
from keys.models import CalendarFeed, Credential, CredentialUse
from portal import feeds
from portal.logs import Line
from tenants.models import Event, Membership, Role, ServiceAccount, Tenant, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries
from tests.keys.test_secrecy import everything_stored

OWN, ALL, CALENDAR = "/t/acme/expiries/", "/t/acme/console/expiries/", "/t/acme/expiries/calendar/"
FEED = re.compile(r"http://127\.0\.0\.1:8000(/t/acme/feeds/ptc_feed_\w+\.ics)")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(response: Any) -> str:
    """What is in the page itself."""
    html = response.content.decode().partition('<main id="page"')[2].partition("</main>")[0]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))).strip()


def days(many: float) -> datetime:
    return timezone.now() + timedelta(days=many)


@pytest.fixture
def carl(cast: Cast) -> Client:
    return signed_in(cast.carl)


@pytest.fixture
def ada(cast: Cast) -> Client:
    return signed_in(cast.ada)


@pytest.fixture
def agenda(in_acme: Cast) -> dict[str, Credential]:
    """Two of Carl's Checkout, one of Ada's Till."""
    checkout, till = make.application(in_acme.carl, name="Checkout"), make.application(in_acme.ada, name="Till")
    made = {
        "later": make.credential(checkout, label="Nightly job", expires_at=days(70))[0],
        "sooner": make.credential(checkout, label="Shop servers", expires_at=days(3.9))[0],
        "adas": credentials.create_api_key(till, by=in_acme.ada, label="Scanner", expires_at=days(40))[0],
    }
    now = timezone.now()
    CredentialUse.objects.create(credential=made["sooner"], day=now.date(), calls=1, first_at=now, last_at=now)
    make.credential(checkout, label="for ever")
    return made


# --- the page


@pytest.mark.parametrize("address,who", [(OWN, {"ada", "carl"}), (ALL, {"ada", "alan"}), (CALENDAR, {"ada", "carl", "pam", "alan"})])
def test_each_gets_in_where_their_roles_lead(in_acme: Cast, address: str, who: set[str]) -> None:
    alan = make.member(in_acme.acme, "alan@acme.example", Role.APPROVER)
    people = {"ada": in_acme.ada, "carl": in_acme.carl, "pam": in_acme.pam, "alan": alan}
    for name, user in people.items():
        assert signed_in(user).get(address).status_code == (200 if name in who else 403), name
    assert signed_in(in_acme.eve).get(address).status_code == 404
    assert signed_in(in_acme.olga).get(address).status_code == 404


def test_eve_sees_none_of_it_at_home(in_acme: Cast, agenda: dict[str, Credential]) -> None:
    eve = signed_in(in_acme.eve)
    for address in ("/t/globex/expiries/", "/t/globex/console/expiries/", f"/t/globex/console/expiries/?owner={in_acme.carl.pk}"):
        said = text(eve.get(address))
        assert "Checkout" not in said
        assert "Carl" not in said


def test_carl_sees_his_own_by_month_soonest_first(carl: Client, agenda: dict[str, Credential]) -> None:
    page = carl.get(OWN)
    said = text(page)
    assert said.index("Shop servers") < said.index("Nightly job")
    for words in ("in 4 days", "In use", "Unused", "Client secret", "Checkout", "2 in all", f"{agenda['sooner'].expires_at:%B %Y}"):
        assert words in said
    assert "Scanner" not in said
    assert "for ever" not in said
    assert "rotate by themselves" not in said
    assert f'href="/t/acme/apps/{agenda["sooner"].application_id}/?tab=credentials"' in page.content.decode()


def test_ada_sees_everyones_and_when_signing_keys_rotate(in_acme: Cast, ada: Client, agenda: dict[str, Credential]) -> None:
    said = text(ada.get(ALL))
    assert re.findall("Shop servers|Scanner|Nightly job", said) == ["Shop servers", "Scanner", "Nightly job"]
    assert "Signing keys rotate by themselves" in said
    assert "Access tokens" in said
    alan = make.member(in_acme.acme, "alan@acme.example", Role.APPROVER)
    assert "rotate by themselves" not in text(signed_in(alan).get(ALL))


def test_a_rolled_one_is_replaced(in_acme: Cast, carl: Client, agenda: dict[str, Credential]) -> None:
    credentials.roll(agenda["sooner"], grace="24h", by=in_acme.carl)
    assert "Replaced" in text(carl.get(OWN))


@pytest.mark.parametrize(
    "query,found",
    [
        ({"q": "scan"}, {"Scanner"}),
        ({"q": "checkout"}, {"Shop servers", "Nightly job"}),
        ({"q": "ada@acme"}, {"Scanner"}),
        ({"kind": "api_key"}, {"Scanner"}),
        ({"kind": "client_secret", "q": "nightly"}, {"Nightly job"}),
        ({"kind": "issuer"}, set()),
        ({"kind": "nonsense"}, {"Shop servers", "Scanner", "Nightly job"}),
        ({"owner": "nobody"}, {"Shop servers", "Scanner", "Nightly job"}),
        ({"q": "nothing like it"}, set()),
    ],
)
def test_it_is_narrowed(ada: Client, agenda: dict[str, Credential], query: dict[str, str], found: set[str]) -> None:
    said = text(ada.get(ALL, query))
    assert set(re.findall("Shop servers|Scanner|Nightly job", said)) == found
    assert ("Nothing that ends is like that" in said) == (not found)


def test_it_is_narrowed_to_one_owner(in_acme: Cast, ada: Client, agenda: dict[str, Credential]) -> None:
    said = text(ada.get(ALL, {"owner": str(in_acme.carl.pk)}))
    assert set(re.findall("Shop servers|Scanner|Nightly job", said)) == {"Shop servers", "Nightly job"}
    assert "Carl's alone. Show everyone's" in said
    # Whose they are is for those who see everyone's; Carl's page has his own.
    assert "Shop servers" in text(signed_in(in_acme.carl).get(OWN, {"owner": str(in_acme.ada.pk)}))


def test_it_has_pages_forwards_and_back(in_acme: Cast, carl: Client) -> None:
    application = [make.application(in_acme.carl, name=f"A{number}") for number in range(6)]
    for number in range(60):
        make.credential(application[number // 10], label=f"<{number:02}>", expires_at=days(100 + number))

    def labels(page: Any) -> list[int]:
        return [int(found) for found in re.findall(r"&lt;(\d\d)&gt;", page.content.decode())]

    def led(page: Any, word: str) -> str:
        found = re.search(rf'href="([^"]+)" rel="{word}"', page.content.decode())
        return OWN + unescape(found[1]) if found else ""

    first = carl.get(OWN)
    second = carl.get(led(first, "next"))
    third = carl.get(led(second, "next"))
    assert [labels(page) for page in (first, second, third)] == [list(range(25)), list(range(25, 50)), list(range(50, 60))]
    assert (led(first, "prev"), led(third, "next")) == ("", "")
    assert labels(carl.get(led(third, "prev"))) == labels(second)
    assert labels(carl.get(led(carl.get(led(third, "prev")), "prev"))) == labels(first)


def test_before_anything_ends_it_says_what_will_stand_there(carl: Client, ada: Client) -> None:
    assert "API keys have an end, and secrets can have one" in text(carl.get(OWN))
    assert "Credentials that have an end stand here" in text(ada.get(ALL))


@pytest.mark.parametrize("name,address", [("page:expiries", OWN), ("page:console-expiries", ALL)])
def test_the_lists_make_as_many_queries_for_many(
    in_acme: Cast, ada: Client, agenda: dict[str, Credential], name: str, address: str
) -> None:
    for number in range(4):
        for owner in (in_acme.carl, in_acme.ada):
            make.credential(make.application(owner), label="More", expires_at=days(9 + number))
    with queries(name):
        ada.get(address)


def test_a_feed_makes_as_many_queries_for_many(in_acme: Cast, agenda: dict[str, Credential]) -> None:
    for number in range(4):
        make.credential(make.application(in_acme.carl), expires_at=days(9 + number))
    path = f"/t/acme/feeds/{feed_of(in_acme.acme, in_acme.ada)}.ics"
    with queries("feed"):
        assert len(summaries(path)) == 7


# --- the address of the calendar


def made_by(client: Client, **more: str) -> str:
    answer = client.post(CALENDAR, more)
    assert answer.status_code == 200, text(answer)
    assert answer["Cache-Control"] == "private, no-store"
    [path] = set(FEED.findall(answer.content.decode()))
    return str(path)


def read(path: str, **headers: str) -> Any:
    return Client(headers={"accept": "text/calendar, */*;q=0.9", **headers}).get(path)


def summaries(path: str) -> list[str]:
    answer = read(path)
    assert answer.status_code == 200, answer.content
    return [str(event["summary"]) for event in icalendar.Calendar.from_ical(answer.content).walk("VEVENT")]


def test_the_address_is_shown_once_and_kept_as_a_fingerprint(
    in_acme: Cast, carl: Client, agenda: dict[str, Credential], caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    assert "Make an address…" in text(carl.get(OWN))
    path = made_by(carl, once="1")
    secret = path.rpartition("/")[2].removesuffix(".ics")
    assert len(secret) == len("ptc_feed_") + 43
    again = carl.post(CALENDAR, {"once": "1"})
    assert again.status_code == 409
    assert "The address was shown already" in text(again)
    assert CalendarFeed.objects.count() == 1
    assert read(path).status_code == 200
    stored = everything_stored()
    assert stored
    assert secret[9:] not in stored
    assert secret[9:] not in caplog.text
    assert secret not in carl.get(OWN).content.decode()
    assert [event.kind for event in Event.objects.filter(kind__startswith="calendar_feed")] == ["calendar_feed.created"]


def test_carls_calendar_has_his_own_and_adas_everyones(in_acme: Cast, carl: Client, ada: Client, agenda: dict[str, Credential]) -> None:
    found = {name: f"…{each.last_four} ends" for name, each in agenda.items()}
    assert summaries(made_by(carl)) == [f"Checkout: Shop servers {found['sooner']}", f"Checkout: Nightly job {found['later']}"]
    assert len(summaries(made_by(ada))) == 3


def test_who_manages_service_accounts_has_those_in_the_calendar_too(in_acme: Cast, carl: Client, ada: Client) -> None:
    account, _ = make.service_account(by=in_acme.ada, name="Terraform")
    over, _ = make.service_account(by=in_acme.ada, name="Over")
    ServiceAccount.objects.filter(pk=over.pk).update(expires_at=days(-1))
    path = made_by(ada)
    assert summaries(path) == ["The service account Terraform ends"]
    [event] = icalendar.Calendar.from_ical(read(path).content).walk("VEVENT")
    assert event.decoded("dtstart") == account.expires_at.replace(microsecond=0)
    assert str(event["url"]).endswith(f"/t/acme/console/service-accounts/{account.pk}/")
    assert summaries(made_by(carl)) == []
    assert summaries(f"/t/globex/feeds/{feed_of(in_acme.globex, in_acme.eve)}.ics") == []


def test_the_calendar_is_as_the_rfc_wants_it(carl: Client, agenda: dict[str, Credential]) -> None:
    """RFC 5545: what must be there, once each, in lines that end and fold as they must; read back by a library of its own."""
    answer = read(made_by(carl))
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer["Cache-Control"] == "private, no-cache"
    lines = answer.content.split(b"\r\n")
    assert lines[-1] == b""
    assert b"\n" not in b"".join(lines)
    assert max(map(len, lines)) <= 75
    found = icalendar.Calendar.from_ical(answer.content)
    assert not found.errors
    assert str(found["version"]) == "2.0"
    assert str(found["prodid"])
    assert "method" not in found
    assert str(found["x-wr-calname"]) == str(found["name"]) == "Expiries at Acme"
    assert len(re.findall(rb"\r\nDT(?:START|STAMP):\d{8}T\d{6}Z\r\n", answer.content.replace(b"\r\n", b"\r\n\r\n"))) == 4
    first, second = found.walk("VEVENT")
    assert {str(each["uid"]) for each in (first, second)} == {f"{agenda[name].pk}@127.0.0.1" for name in ("sooner", "later")}
    for event, name in ((first, "sooner"), (second, "later")):
        assert not event.errors
        credential = agenda[name]
        assert credential.expires_at is not None
        for required in ("uid", "dtstamp", "dtstart"):
            assert isinstance(event[required], list) is False
        assert event.decoded("dtstart") == credential.expires_at.replace(microsecond=0)
        assert event.decoded("dtstart").utcoffset() == timedelta()
        assert "dtend" not in event
        assert str(event["url"]) == f"http://127.0.0.1:8000/t/acme/apps/{credential.application_id}/"
        [alarm] = event.walk("VALARM")
        assert str(alarm["action"]) == "DISPLAY"
        assert alarm.decoded("trigger") == timedelta(days=-7)
        assert str(alarm["description"]) == str(event["summary"])


def test_it_is_asked_for_again_by_its_etag(in_acme: Cast, carl: Client, agenda: dict[str, Credential]) -> None:
    path = made_by(carl)
    first = read(path)
    assert read(path).content == first.content
    same = read(path, **{"if-none-match": first["ETag"]})
    assert (same.status_code, same.content, same["ETag"]) == (304, b"", first["ETag"])
    credentials.revoke(agenda["sooner"], by=in_acme.carl)
    assert read(path, **{"if-none-match": first["ETag"]}).status_code == 200


def test_it_speaks_its_readers_language_and_names_stay_words(in_acme: Cast, carl: Client, agenda: dict[str, Credential]) -> None:
    application = agenda["sooner"].application
    application.name = "Evil\r\nATTACH:http://evil.example/\u202e, a; b\\"
    application.save()
    User.objects.filter(pk=in_acme.carl.pk).update(language="de")
    answer = read(made_by(carl))
    assert answer["Content-Language"] == "de"
    found = icalendar.Calendar.from_ical(answer.content)
    assert str(found["prodid"]).endswith("//DE")
    [event] = [each for each in found.walk("VEVENT") if str(agenda["sooner"].pk) in str(each["uid"])]
    assert str(event["summary"]).startswith("Evil ATTACH:http://evil.example/, a; b\\: Shop servers")
    assert "attach" not in event


def test_another_address_ends_the_one_before_and_it_can_be_ended(in_acme: Cast, carl: Client, agenda: dict[str, Credential]) -> None:
    old = made_by(carl)
    assert "ends with this" in text(carl.get(CALENDAR))
    new = made_by(carl)
    assert (read(old).status_code, read(new).status_code) == (404, 200)
    assert "End it…" in text(carl.get(OWN))
    assert "refused from now on" in text(carl.get(f"{CALENDAR}end/"))
    assert carl.post(f"{CALENDAR}end/").status_code == 302
    assert read(new).status_code == 404
    assert carl.post(f"{CALENDAR}end/").status_code == 409
    kinds = [event.kind for event in Event.objects.filter(kind__startswith="calendar_feed").order_by("number")]
    assert kinds == ["calendar_feed.created", "calendar_feed.created", "calendar_feed.revoked"]


def test_it_says_what_its_person_may_see_at_the_moment_of_asking(in_acme: Cast, ada: Client, agenda: dict[str, Credential]) -> None:
    path = made_by(ada)
    Membership.objects.filter(user=in_acme.ada).update(roles=[Role.DEVELOPER])
    assert [each.partition(":")[0] for each in summaries(path)] == ["Till"]


@pytest.mark.parametrize("how", ["left", "shut out"])
def test_who_has_left_or_was_shut_out_reads_nothing(in_acme: Cast, carl: Client, agenda: dict[str, Credential], how: str) -> None:
    path = made_by(carl)
    if how == "left":
        Membership.objects.filter(user=in_acme.carl).delete()
    else:
        User.objects.filter(pk=in_acme.carl.pk).update(is_active=False)
    assert read(path).status_code == 404


def feed_of(at: Tenant, user: User) -> str:
    with tenant_scope(at.pk):
        return calendar_feeds.create_feed(by=user)[1]


def test_eves_secret_opens_nothing_at_acme_and_carls_nothing_at_globex(cast: Cast) -> None:
    eves, carls = feed_of(cast.globex, cast.eve), feed_of(cast.acme, cast.carl)
    with tenant_scope(cast.acme.pk):
        make.credential(make.application(cast.carl, name="Checkout"), expires_at=days(9))
    assert read(f"/t/acme/feeds/{eves}.ics").status_code == 404
    assert read(f"/t/globex/feeds/{carls}.ics").status_code == 404
    assert read(f"/t/nowhere/feeds/{carls}.ics").status_code == 404
    assert summaries(f"/t/globex/feeds/{eves}.ics") == []
    assert len(summaries(f"/t/acme/feeds/{carls}.ics")) == 1


@pytest.mark.parametrize("secret", ["x", "ptc_feed_", f"ptc_feed_{'0' * 43}", "%F0%9F%94%91", "ptc_feed_x.ics"])
def test_an_unknown_secret_is_404_and_not_repeated(cast: Cast, secret: str) -> None:
    answer = read(f"/t/acme/feeds/{secret}.ics")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert secret not in answer.content.decode()
    assert Client().post(f"/t/acme/feeds/{secret}.ics").status_code == 405


def test_guessing_and_asking_too_often_are_refused(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "LOOKED_UP", 5)
    monkeypatch.setattr(feeds, "READ", 3)
    path = f"/t/acme/feeds/{feed_of(cast.acme, cast.carl)}.ics"
    assert [read(path).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert [read("/t/acme/feeds/x.ics").status_code for _ in range(2)] == [404, 429]
    assert int(read(path)["Retry-After"]) <= 60


def test_no_log_has_the_address_even_of_an_error(cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def broken(_: str) -> None:
        raise ZeroDivisionError

    secret = feed_of(cast.acme, cast.carl)
    monkeypatch.setattr(calendar_feeds, "reader_of", broken)
    client = Client(raise_request_exception=False, headers={"accept": "text/calendar"})
    assert client.get(f"/t/acme/feeds/{secret}.ics").status_code == 500
    [record] = [each for each in caplog.records if each.name == "django.request"]
    line = Line("%(asctime)s %(levelname)s %(name)s %(message)s").format(record)
    assert "/t/acme/feeds/ptc_feed_….ics" in line
    assert "ZeroDivisionError" in line
    assert secret[9:] not in line


def test_logs_are_written_by_what_leaves_it_out(settings: Any) -> None:
    assert {each["()"] for each in settings.LOGGING["formatters"].values()} == {"portal.logs.Json", "portal.logs.Line"}
    assert all(each["formatter"] in settings.LOGGING["formatters"] for each in settings.LOGGING["handlers"].values())


# --- the same over REST


def test_the_address_is_made_and_ended_over_rest(in_acme: Cast, rest: Rest, agenda: dict[str, Credential]) -> None:
    carl, address = rest(in_acme.carl), f"{base(in_acme.acme)}/calendar-feed/"
    with queries("POST calendar-feed/"):
        answer = carl.post(address)
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    [path] = FEED.findall(answer.json()["address"])
    assert read(path).status_code == 200
    assert rest(in_acme.eve).post(address).status_code == 404
    assert rest(in_acme.eve).delete(address).status_code == 404
    assert read(path).status_code == 200
    assert carl.delete(address).status_code == 204
    assert read(path).status_code == 404
    assert carl.delete(address).status_code == 409
