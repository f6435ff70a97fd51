"""The inbox page, what to hear of, mails that are stopped by their link, and the road from a mail to an approval."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from apis.models import Subscription
from portal import inbox, mails, outbox, tasks
from portal.inbox import Wish
from portal.news import GROUPS
from tenants.models import Event, Notification, NotificationPreference, User
from tenants.people import tenants
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries
from tests.portal.test_mails import parts

INBOX, CHOICE = "/t/acme/inbox/", "/t/acme/inbox/preferences/"
PASSWORD = "correct horse battery"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(response: Any) -> str:
    """What is in the page itself."""
    html = response.content.decode().partition('<main id="page"')[2].partition("</main>")[0]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))).strip()


@pytest.fixture
def asked(in_acme: Cast) -> Subscription:
    return make.subscription(
        status="pending", of=make.application(in_acme.carl, name="Checkout"), to=make.plan(make.api("orders"), name="gold")
    )


@pytest.fixture
def notified(in_acme: Cast, asked: Subscription) -> Notification:
    """Ada has it in her inbox that Carl asked."""
    event = Event.objects.get(kind="subscription.requested")
    return Notification.objects.create(user=in_acme.ada, event=event)


def unread_in_rail(client: Client) -> str:
    html = client.get("/t/acme/").content.decode().partition('class="rail"')[2]
    return "".join(re.findall(r'href="/t/acme/inbox/".*?</a>', html, re.DOTALL)[:1])


# --- the inbox -------------------------------------------------------------------------------------------------------


def test_ada_sees_what_is_new_opens_it_and_it_is_read(in_acme: Cast, asked: Subscription, notified: Notification) -> None:
    ada = signed_in(in_acme.ada)
    assert re.search(r'class="count">1 <span class="only-sr">unread', unread_in_rail(ada))
    said = text(ada.get(INBOX))
    for words in ("New", "Checkout asks for Orders: gold", "Carl asks for a subscription", "Requests to decide", "1 in all"):
        assert words in said
    address = f"{INBOX}{notified.pk}/"
    assert ada.head(address).status_code == 302
    assert inbox.unread(in_acme.ada).exists(), "a HEAD changes nothing"
    opened = ada.get(address)
    assert (opened.status_code, opened["Location"]) == (302, f"/t/acme/console/requests/{asked.pk}/")
    assert not inbox.unread(in_acme.ada).exists()
    assert 'class="count"' not in unread_in_rail(ada)
    assert "New" not in text(ada.get(INBOX))
    assert "Nothing is unread" in text(ada.get(INBOX + "?show=unread"))


def test_all_are_marked_as_read_at_once(in_acme: Cast, notified: Notification) -> None:
    ada = signed_in(in_acme.ada)
    assert ada.get(INBOX + "read/").status_code == 302
    assert inbox.unread(in_acme.ada).exists(), "looking changes nothing"
    assert ada.post(INBOX + "read/").status_code == 302
    assert not inbox.unread(in_acme.ada).exists()
    assert "1 notification is marked as read." in ada.get(INBOX).content.decode()


def test_nobody_sees_anybody_elses(in_acme: Cast, notified: Notification) -> None:
    address = f"{INBOX}{notified.pk}/"
    pam = signed_in(in_acme.pam)
    assert "Nothing has happened yet" in text(pam.get(INBOX))
    assert pam.get(address).status_code == 404
    for user in (in_acme.eve, in_acme.olga):
        assert signed_in(user).get(INBOX).status_code == signed_in(user).get(address).status_code == 404
    eve = signed_in(in_acme.eve)
    assert eve.get(f"/t/globex/inbox/{notified.pk}/").status_code == 404
    assert "Checkout" not in text(eve.get("/t/globex/inbox/"))
    pam.post(INBOX + "read/")
    assert inbox.unread(in_acme.ada).exists()


def test_a_digests_row_stands_in_no_inbox(in_acme: Cast, notified: Notification) -> None:
    Notification.objects.update(in_inbox=False)
    ada = signed_in(in_acme.ada)
    assert "Nothing has happened yet" in text(ada.get(INBOX))
    assert 'class="count"' not in unread_in_rail(ada)


def test_what_is_gone_is_told_in_the_audits_words(in_acme: Cast, asked: Subscription, notified: Notification) -> None:
    asked.delete()
    ada = signed_in(in_acme.ada)
    assert "Carl asked for a subscription: Checkout to Orders" in text(ada.get(INBOX))
    assert ada.get(f"{INBOX}{notified.pk}/", follow=True).status_code == 200


def test_hostile_names_stay_words(in_acme: Cast, asked: Subscription, notified: Notification) -> None:
    type(asked.application).objects.update(name="</bdi><b>x\u202egnp")
    html = signed_in(in_acme.ada).get(INBOX).content.decode()
    assert "<b>x" not in html
    assert "\u202e" not in html


def test_a_page_takes_as_many_queries_with_one_as_with_many(in_acme: Cast, asked: Subscription, notified: Notification) -> None:
    ada = signed_in(in_acme.ada)
    ada.get(INBOX)
    with queries("page:inbox"):
        assert ada.get(INBOX).status_code == 200
    plan = asked.plan
    for number in range(30):
        event = Event.objects.filter(
            subject_id=make.subscription(status="pending", of=make.application(in_acme.carl, name=f"a{number}"), to=plan).pk
        ).latest("number")
        Notification.objects.create(user=in_acme.ada, event=event)
    with queries("page:inbox"):
        page = text(ada.get(INBOX))
    assert "31 in all" in page
    assert "Older" in page


# --- what to hear of -------------------------------------------------------------------------------------------------


def fields(**changed: str) -> dict[str, str]:
    """All of Ada's as they are, but for what is changed; "" leaves a field out."""
    given = {f"{name}_mail": "at_once" for name in GROUPS} | {f"{name}_inbox": "on" for name in GROUPS}
    return {name: value for name, value in (given | changed).items() if value}


def test_ada_chooses_what_she_hears_of(in_acme: Cast) -> None:
    ada = signed_in(in_acme.ada)
    with queries("page:inbox-preferences"):
        said = text(ada.get(CHOICE))
    assert "Requests to decide" in said
    assert "Gateways" in said
    assert "7" not in said or "seven" in said
    done = ada.post(CHOICE, fields(requests_inbox="", requests_mail="digest", keys_mail="never"))
    assert (done.status_code, done["Location"]) == (302, CHOICE)
    found = inbox.wishes_of(in_acme.ada, frozenset({"subscriptions.decide", "keys.see", "tenant.see"}))
    assert found["requests"] == Wish(inbox=False, mail="digest")
    assert found["keys"] == Wish(inbox=True, mail="never")
    assert found["tenant"] == Wish()
    html = ada.get(CHOICE).content.decode()
    assert re.search(r'<option value="digest" selected', html)


def test_each_is_asked_about_what_can_concern_them(in_acme: Cast) -> None:
    said = text(signed_in(in_acme.carl).get(CHOICE))
    assert "My credentials" in said
    for words in ("Requests to decide", "Signing keys", "Gateways"):
        assert words not in said


def test_a_wrong_choice_comes_back_with_all_the_others(in_acme: Cast) -> None:
    ada = signed_in(in_acme.ada)
    again = ada.post(CHOICE, fields(keys_mail="hourly", tenant_mail="never"))
    assert again.status_code == 422
    assert "Choose one of the list." in text(again)
    assert re.search(r'name="tenant_mail".*?<option value="never" selected', again.content.decode(), re.DOTALL)
    assert not NotificationPreference.objects.exists()


def test_preferences_can_be_changed_while_the_tenant_stands_still(in_acme: Cast, notified: Notification) -> None:
    tenants.suspend(in_acme.acme, reason="A test.", by=in_acme.olga)
    ada = signed_in(in_acme.ada)
    assert ada.get(INBOX).status_code == 200
    assert ada.post(INBOX + "read/").status_code == ada.post(CHOICE, fields()).status_code == 302


# --- by the link in a mail -------------------------------------------------------------------------------------------


def test_a_mail_program_stops_a_groups_mails_with_one_click(in_acme: Cast) -> None:
    inbox.choose(in_acme.ada, {"keys": Wish(inbox=False)})
    address = f"{INBOX}stop/{mails.stop_token(in_acme.acme, in_acme.ada, 'keys')}/"
    nobody = Client(enforce_csrf_checks=True)
    shown = nobody.get(address)
    assert shown.status_code == 200
    assert "Signing keys" in text(shown)
    assert inbox.wishes([in_acme.ada.pk])[in_acme.ada.pk, "keys"].mail == "at_once", "a GET changes nothing"
    done = nobody.post(address, {"List-Unsubscribe": "One-Click"})
    assert done.status_code == 200
    assert "no more" in text(done)
    assert inbox.wishes([in_acme.ada.pk]) == {(in_acme.ada.pk, "keys"): Wish(inbox=False, mail="never")}


def test_a_digest_is_stopped_for_all_its_groups_and_no_other(in_acme: Cast) -> None:
    inbox.choose(in_acme.ada, {"keys": Wish(mail="digest"), "tenant": Wish(mail="digest"), "requests": Wish()})
    address = f"{INBOX}stop/{mails.stop_token(in_acme.acme, in_acme.ada, '')}/"
    assert Client().post(address).status_code == 200
    found = {name: wish.mail for (_user, name), wish in inbox.wishes([in_acme.ada.pk]).items()}
    assert found == {"keys": "never", "tenant": "never", "requests": "at_once"}


def test_no_other_address_stops_anything(in_acme: Cast) -> None:
    token = mails.stop_token(in_acme.acme, in_acme.ada, "keys")
    theirs = mails.stop_token(in_acme.globex, in_acme.eve, "keys")
    wrong = [f"{INBOX}stop/{token[:-1]}{'x' if token[-1] != 'x' else 'y'}/", f"{INBOX}stop/{theirs}/", f"/t/globex/inbox/stop/{token}/"]
    wrong += [f"{INBOX}stop/{mails.stop_token(in_acme.acme, in_acme.ada, 'lunch')}/", f"/t/nowhere/inbox/stop/{token}/", f"{INBOX}stop/x/"]
    for address in wrong:
        assert Client().get(address).status_code == Client().post(address).status_code == 404, address
    assert not NotificationPreference.objects.exists()


# --- from a mail to the approval -------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_ada_approves_from_the_link_in_her_mail(cast: Cast) -> None:
    cast.ada.set_password(PASSWORD)
    cast.ada.save()
    verify(cast.ada)
    with tenant_scope(cast.acme.pk):
        asked = make.subscription(status="pending")
    tasks.send_mails()
    [message] = mail.outbox
    stop = message.extra_headers["List-Unsubscribe"]
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    _text, html = parts(message)
    [link] = re.findall(r'<a href="http://127\.0\.0\.1:8000(/t/acme/console/requests/[^"]+)"', html)
    ada = Client()
    to_sign_in = ada.get(link)
    assert to_sign_in.status_code == 302
    page = ada.post(to_sign_in["Location"], {"login": cast.ada.email, "password": PASSWORD}, follow=True)
    assert page.redirect_chain[-1][0] == link
    assert "Approve" in text(page)
    assert ada.post(f"{link}approve/").status_code == 302
    with tenant_scope(cast.acme.pk):
        assert Subscription.objects.get(pk=asked.pk).status == "active"
    address = re.fullmatch(r"<http://127\.0\.0\.1:8000(/t/acme/inbox/stop/[^>]+)>", stop)
    assert address is not None
    assert Client(enforce_csrf_checks=True).post(address[1], {"List-Unsubscribe": "One-Click"}).status_code == 200
    with tenant_scope(cast.acme.pk):
        assert inbox.wishes([cast.ada.pk])[cast.ada.pk, "requests"].mail == "never"


def verify(user: User) -> None:
    from_allauth = user.emailaddress_set  # type: ignore[attr-defined]
    from_allauth.update_or_create(email=user.email, defaults={"verified": True, "primary": True})


# --- REST ------------------------------------------------------------------------------------------------------------


def test_rest_lists_one_s_own_and_marks_them_read(in_acme: Cast, asked: Subscription, notified: Notification, rest: Rest) -> None:
    here, ada = f"{base(in_acme.acme)}/inbox/", rest(in_acme.ada)
    with queries("inbox/"):
        [row] = ada.get(here).json()["results"]
    assert row["title"] == "Checkout asks for Orders: gold"
    assert (row["group"], row["kind"], row["read_at"]) == ("requests", "subscription.requested", None)
    assert row["path"] == f"/t/acme/console/requests/{asked.pk}/"
    assert ada.post(f"{here}{notified.pk}/read/").json() == {"read": 1}
    assert ada.post(f"{here}{notified.pk}/read/").json() == {"read": 0}
    assert ada.get(here + "?unread=true").json()["results"] == []
    assert len(ada.get(here).json()["results"]) == 1
    assert ada.get(here + "?unread=x").status_code == 422
    assert ada.post(f"{here}read/").json() == {"read": 0}
    assert rest(in_acme.pam).post(f"{here}{notified.pk}/read/").status_code == 404
    assert rest(in_acme.eve).get(here).status_code == 404


def test_rest_chooses_what_to_hear_of(in_acme: Cast, rest: Rest) -> None:
    here, carl = f"{base(in_acme.acme)}/inbox/preferences/", rest(in_acme.carl)
    found = {row["group"]: row for row in carl.get(here).json()["preferences"]}
    assert set(found) == {"alerts", "decisions", "applications", "credentials", "versions", "quotas", "budgets", "membership", "tenant"}
    assert found["decisions"] == {"group": "decisions", "inbox": True, "mail": "at_once"}
    wanted = {"group": "decisions", "inbox": True, "mail": "digest"}
    assert wanted in carl.put(here, {"preferences": [wanted]}).json()["preferences"]
    for wrong in ({**wanted, "mail": "hourly"}, {**wanted, "group": "lunch"}, {"group": "decisions"}, {**wanted, "color": 1}):
        assert carl.put(here, {"preferences": [wrong]}).status_code == 422
    assert carl.put(here, {}).status_code == 422
    assert rest(in_acme.eve).get(here).status_code == 404


# --- mails that are files --------------------------------------------------------------------------------------------


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.EMAIL_BACKEND = "portal.outbox.EmailBackend"
    settings.MAIL_FOLDER = tmp_path / "mail"
    return tmp_path / "mail"


def test_olga_reads_the_mails_of_a_trial(cast: Cast, folder: Path) -> None:
    olga = signed_in(cast.olga)
    assert "No mail yet" in text(olga.get("/platform/mails/"))
    mail.send_mail("Hello <b>", "A link: http://127.0.0.1:8000/x/ <script>", None, ["ada@acme.example"], html_message="<script>x</script>")
    page = olga.get("/platform/mails/")
    assert "Hello <b>" in text(page)
    assert "ada@acme.example" in text(page)
    [name] = [path.stem for path in folder.iterdir()]
    shown = olga.get(f"/platform/mails/{name}/")
    assert "A link: http://127.0.0.1:8000/x/ <script>" in text(shown)
    assert "<script>" not in shown.content.decode().partition("<main")[2]
    for wrong in ("x", "..%2F..%2Fsecrets%2Fpepper", f"{name}.eml", f"..%2Fmail%2F{name}", name[:-1]):
        assert olga.get(f"/platform/mails/{wrong}/").status_code == 404, wrong
    assert outbox.read(f"../mail/{name}") is None, "no name leads out of the folder"


def test_nobody_else_reads_them_and_with_a_mail_server_there_are_none(cast: Cast, folder: Path, settings: Any) -> None:
    mail.send_mail("Hello", "Hello", None, ["ada@acme.example"])
    [name] = [path.stem for path in folder.iterdir()]
    addresses = ("/platform/mails/", f"/platform/mails/{name}/")
    for address in addresses:
        assert signed_in(cast.ada).get(address).status_code == 404
        assert Client().get(address)["Location"].startswith("/accounts/login/")
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    for address in addresses:
        assert signed_in(cast.olga).get(address).status_code == 404
