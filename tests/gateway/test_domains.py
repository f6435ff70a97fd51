"""Ada's own domains: how a name is written, how it is proven, who has it, which certificate may be served, and how all that ends."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.conf import settings
from django.db.models.functions import Now

from gateway import desired, domain_checks, domains, groups, register, views
from gateway.ads import Stream
from gateway.database import Database
from gateway.domain_checks import DnsAway
from gateway.doors import Doors
from gateway.envoy.doors import is_host
from gateway.envoy.resources import SECRET, Resource
from gateway.models import Domain
from gateway.tasks import warn_domains
from gateway.views import View
from keys.envelope import unseal
from keys.kek import kek
from tenants import limits
from tenants.errors import Invalid, NotAllowed
from tenants.models import Due, Event, HostName, Notification, Role
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries
from tests.pki import DAY, NOW, Authority, Pair

ROOT, NAME = Authority("Root"), "api.acme.example"


def issued(*names: str, by: Authority = ROOT, more: Collection[x509.ExtensionType] = (), **given: Any) -> Pair:
    alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
    return by.issue("The API", extensions=(alternatives, *more), **given)


def says(**records: str) -> domain_checks.Resolver:
    """A DNS that has these records, by the domain's first label, and no others."""
    return lambda name: ["v=spf1 -all", records[label]] if (label := name.split(".")[1]) in records else []


def away(_name: str) -> list[str]:
    raise DnsAway("timeout")


def look(resolver: domain_checks.Resolver) -> None:
    """The job runs although nothing is due."""
    Due.objects.filter(job=domains.CHECK_JOB).update(at=Now() - timedelta(days=1))
    domain_checks.check_domains(resolver)


def due_now(**changed: Any) -> None:
    Domain.objects.update(next_at=Now() - timedelta(minutes=1), **changed)


# How a name is written


@pytest.mark.parametrize("typed", [NAME, "API.Acme.Example", f" {NAME} ", f"{NAME}.", "xn--bcher-kva.example"])
def test_spellings_of_a_name(typed: str) -> None:
    assert domains.host_of(typed) == typed.strip().lower().rstrip(".")
    assert is_host(domains.host_of(typed))


@pytest.mark.parametrize(
    "typed",
    [
        "", "acme", "https://api.acme.example", "api.acme.example/x", "api.acme.example:443", "*.acme.example", "api..example", ".example",
        "-a.example", "a-.example", "a_b.example", "127.0.0.1", "[::1]", "1.2.3.256", "0x7f.1", "a.b\x00.example", "a b.example",
        "bücher.example", "аpi.acme.example", "a." * 130 + "example", f"{'a' * 64}.example", "api.acme.example\n", "acme/api.example",
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_name(typed: str) -> None:
    if typed == "api.acme.example\n":
        assert domains.host_of(typed) == NAME
        return
    with pytest.raises(Invalid) as refused:
        domains.host_of(typed)
    assert list(refused.value.problems) == ["name"]


def test_what_is_porticos_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "GATEWAY_HOSTS", ["gw.portico.example", "127.0.0.1"])
    monkeypatch.setattr(settings, "PORTAL_URL", "https://portico.example")
    monkeypatch.setattr(settings, "ALLOWED_HOSTS", ["portico.example", "other.example"])
    for name in ("portico.example", "gw.portico.example", "acme.portico.example", "OTHER.example.", "a.localhost"):
        with pytest.raises(Invalid, match="belongs to Portico"):
            domains.host_of(name)
    assert domains.host_of("notportico.example") == "notportico.example"


def test_what_is_a_groups(in_acme: Cast) -> None:
    groups.create(name="eu", url="https://eu.gw.example", by=None)
    with pytest.raises(Invalid, match="belongs to Portico"):
        domains.add(name="eu.gw.example", by=in_acme.ada)
    make.domain(NAME)
    with pytest.raises(Invalid, match="another tenant's"):
        groups.create(name="us", url=f"https://{NAME}", by=None)


def test_a_private_key_goes_to_no_gateway_where_the_tenant_may_not_be_called(in_acme: Cast) -> None:
    """Whoever connects to it says which name it asks control for."""
    pair = issued(NAME)
    domains.put_certificate(make.domain(NAME), certificate=pair.certificate, key=pair.key, by=in_acme.ada)
    sent: list[tuple[str, list[str], list[str]]] = []

    class Sends(Stream):
        async def send(self, url: str, resources: Sequence[Resource] = (), removed: Sequence[str] = ()) -> None:
            sent.append((url, [each.name for each in resources], list(removed)))

    class Here(Database):
        async def ask(self, work: Any, *args: Any, **kwargs: Any) -> Any:
            return work(*args, **kwargs)

    async def written(_response: Any) -> None:
        raise AssertionError

    found = Doors(Here(), {NAME: in_acme.acme.pk})
    stream = Sends(written, asked=lambda *_: None)
    for serves in (True, False):
        # Outside any loop, in which Django would not be asked.
        with pytest.raises(StopIteration):
            found.answer(stream, NAME, serves={in_acme.acme.pk: serves}.__getitem__).send(None)
    assert sent == [(SECRET, [NAME], []), (SECRET, [], [NAME])]
    eu = groups.create(name="eu", by=None)
    assert desired._own_hosts()
    assert desired._own_hosts(views.shown(View((eu.pk,)))) == ()


# Added and proven


def test_a_domain_is_the_tenants_once_dns_says_so(in_acme: Cast) -> None:
    domain = domains.add(name="API.Acme.example", by=in_acme.ada)
    assert (domain.name, domain.record, domain.verified_at) == (NAME, "_portico.api.acme.example", None)
    assert domain.record_says == f"portico-domain={domain.proof}"
    look(says(api="portico-domain=" + "0" * 32))
    look(says(other=domain.record_says))
    domain.refresh_from_db()
    assert (domain.verified_at, domain.checked_at is not None, HostName.objects.count()) == (None, True, 0)
    due_now()
    look(away)
    due_now()
    look(says(api=domain.record_says))
    domain.refresh_from_db()
    assert domain.verified_at is not None
    assert list(HostName.objects.values_list("name", "tenant_id")) == [(NAME, in_acme.acme.pk)]
    told = Event.objects.filter(subject_id=domain.pk).order_by("number").values_list("kind", flat=True)
    assert list(told) == ["domain.added", "domain.verified"]
    # Once more changes nothing.
    due_now()
    look(says(api=domain.record_says))
    assert Event.objects.filter(kind="domain.verified").count() == 1


def test_one_tenant_alone_has_a_domain(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        mine = make.domain(NAME)
    with tenant_scope(cast.globex.pk):
        # Eve may say that it is hers, and even have copied what Ada's DNS says.
        eves = domains.add(name=NAME, by=cast.eve)
        assert eves.proof != mine.proof
        look(says(api=mine.record_says))
        eves.refresh_from_db()
        assert eves.verified_at is None
        # Who has the DNS and not the name yet waits until the other lets go.
        due_now()
        look(says(api=eves.record_says))
        eves.refresh_from_db()
        assert eves.verified_at is None
        with pytest.raises(NotAllowed, match="another tenant's"):
            domains.confirm(eves, by=None)
    assert register.hosts() == {NAME: cast.acme.pk}
    with tenant_scope(cast.acme.pk):
        domains.remove(mine, by=cast.ada)
        assert register.hosts(cast.acme.pk) == {}
    with tenant_scope(cast.globex.pk):
        due_now()
        look(says(api=eves.record_says))
    assert register.hosts() == {NAME: cast.globex.pk}


def test_a_domain_whose_proof_is_gone_is_free_after_two_weeks(in_acme: Cast) -> None:
    domain = make.domain(NAME)
    for _ in range(2):
        due_now()
        look(says())
    domain.refresh_from_db()
    assert (domain.missing_since is not None, Event.objects.filter(kind="domain.proof_missing").count()) == (True, 1)
    # Who does not answer says nothing.
    due_now(missing_since=Now() - timedelta(days=15))
    look(away)
    assert HostName.objects.filter(name=NAME).exists()
    due_now()
    look(says(api=domain.record_says))
    domain.refresh_from_db()
    assert domain.missing_since is None
    due_now(missing_since=Now() - timedelta(days=15))
    look(says())
    assert not Domain.objects.exists()
    assert not HostName.objects.exists()
    assert Event.objects.get(kind="domain.removed").actor_id is None


def test_no_more_than_a_tenant_may_have(in_acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DOMAINS", 1)
    domains.add(name=NAME, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="as many as a tenant may have"):
        domains.add(name="other.acme.example", by=in_acme.ada)
    with pytest.raises(Invalid, match="there already"):
        domains.add(name=NAME.upper(), by=in_acme.ada)


# Certificates


def test_a_certificate_is_kept_with_its_key_sealed(in_acme: Cast) -> None:
    domain, pair = make.domain(NAME), issued(NAME)
    domains.put_certificate(domain, certificate=pair.certificate, key=pair.key, by=in_acme.ada)
    domain.refresh_from_db()
    assert domain.certificate == pair.certificate
    assert "PRIVATE" not in domain.sealed_key
    assert unseal(domain.sealed_key, domain.sealed_key_for, kek()).decode() == pair.key
    door = register.door(NAME, in_acme.acme.pk)
    assert door is not None
    assert pair.key.encode() in door.body.value
    # Another tenant's scope has no such door, and one that is not proven has none at all.
    assert register.door(NAME, in_acme.globex.pk) is None


def test_a_key_that_cannot_be_read_holds_up_no_revocation(in_acme: Cast) -> None:
    domain, pair = make.domain(NAME), issued(NAME)
    domains.put_certificate(domain, certificate=pair.certificate, key=pair.key, by=in_acme.ada)
    Domain.objects.update(sealed_key="v1.lost.AAAA.AAAA")
    (found,) = desired._own_hosts()
    assert (found.name, found.certificate, found.key) == (NAME, "", b""), "gateways go on with the certificate that they have"


SERVER, CLIENT = (x509.ExtendedKeyUsage([use]) for use in (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH))
AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)


def test_certificates_that_are_taken(in_acme: Cast) -> None:
    domain, middle = make.domain(NAME), Authority("Middle")
    between = ROOT.issue("Middle", key=middle.key, extensions=(AUTHORITY,)).certificate
    for pair in (
        issued("other.example", NAME, more=[SERVER]),
        issued("*.acme.example"),
        issued(NAME.upper()),
        issued(NAME, key=rsa.generate_private_key(65_537, 2_048)),
        issued(NAME, key=ec.generate_private_key(ec.SECP384R1())),
    ):
        domains.put_certificate(domain, certificate=pair.certificate, key=pair.key, by=in_acme.ada)
    own = issued(NAME, by=middle)
    domains.put_certificate(domain, certificate=own.certificate + between, key=own.key, by=in_acme.ada)
    domain.refresh_from_db()
    assert domain.certificate == own.certificate + between


def test_certificates_that_are_refused(in_acme: Cast) -> None:
    domain, good, other = make.domain(NAME), issued(NAME), issued(NAME)
    weak = issued(NAME, key=rsa.generate_private_key(65_537, 1_024))
    cases: list[tuple[str, str, str, str]] = [
        (good.certificate, other.key, "key", "is not the one of"),
        (good.certificate, "", "key", "not a private key"),
        (good.certificate, good.key + good.key, "key", "several private keys"),
        (good.certificate + good.key, good.key, "certificate", "private key among"),
        ("no certificate", good.key, "certificate", "not a certificate"),
        ("", good.key, "certificate", "not a certificate"),
        (good.certificate + other.certificate, good.key, "certificate", "has not signed"),
        (weak.certificate, weak.key, "certificate", "2,048"),
    ]
    for refused, said in (
        (issued("other.example"), "not for api.acme.example"),
        (issued("acme.example"), "not for api.acme.example"),
        (issued("*.example"), "not for api.acme.example"),
        (issued("*.api.acme.example"), "not for api.acme.example"),
        (ROOT.issue(NAME), "not for api.acme.example"),
        (issued(NAME, until=NOW - DAY, since=NOW - 2 * DAY), "ended on"),
        (issued(NAME, since=NOW + DAY), "in force from"),
        (issued(NAME, more=[CLIENT]), "not for servers"),
        (issued(NAME, more=[AUTHORITY]), "not for servers"),
    ):
        cases.append((refused.certificate, refused.key, "certificate", said))
    for certificate, key, field, said in cases:
        with pytest.raises(Invalid, match=said) as found:
            domains.put_certificate(domain, certificate=certificate, key=key, by=in_acme.ada)
        assert list(found.value.problems) == [field]
    domain.refresh_from_db()
    assert domain.certificate == ""


def test_people_hear_of_a_certificate_that_ends(in_acme: Cast) -> None:
    domain = make.domain(NAME)

    def put(days: float) -> None:
        pair = issued(NAME, until=NOW + days * DAY - DAY / 2)
        domains.put_certificate(domain, certificate=pair.certificate, key=pair.key, by=in_acme.ada)

    def told() -> list[int]:
        Due.objects.filter(job=domains.WARN_JOB).update(at=Now() - timedelta(days=1))
        warn_domains()
        return [each.data["days"] for each in Event.objects.filter(kind="domain.ends_soon").order_by("number")]

    put(90)
    assert told() == []
    Domain.objects.update(ends_at=Now() + timedelta(days=29, hours=23))
    assert told() == told() == [30]
    Domain.objects.update(ends_at=Now() + timedelta(days=6, hours=23))
    assert told() == [30, 7]
    Domain.objects.update(ends_at=Now() + timedelta(hours=23))
    assert told() == [30, 7, 1]
    # Whoever puts one there that ends soon has read so.
    put(20)
    assert told() == [30, 7, 1]
    assert Notification.objects.filter(event__kind="domain.ends_soon").count() == 0


# REST


def at(cast: Cast, path: str = "") -> str:
    return f"{base(cast.acme)}/domains/{path}"


def test_ada_over_rest(in_acme: Cast, rest: Rest) -> None:
    ada = rest(in_acme.ada)
    with queries("domains:create"):
        made = ada.post(at(in_acme), {"name": NAME})
    assert made.status_code == 201
    found = made.json()
    assert (found["name"], found["record"], found["verified_at"], found["certificates"]) == (NAME, f"_portico.{NAME}", None, [])
    assert found["record_says"].startswith("portico-domain=")
    one = at(in_acme, f"{found['id']}/")
    assert ada.get(one).json() == found
    with queries("domains:list"):
        assert ada.get(at(in_acme)).json()["results"] == [found]
    assert ada.post(f"{one}check/").status_code == 202
    pair = issued(NAME)
    put = ada.put(f"{one}certificate/", {"certificate": pair.certificate, "key": pair.key})
    assert put.status_code == 200, put.json()
    assert ada.get(put.json()["receipt"]).status_code == 200
    assert [each["fingerprint"] for each in put.json()["certificates"]] == [pair.fingerprint]
    assert "PRIVATE" not in put.content.decode()
    gone = ada.delete(one)
    assert (gone.status_code, gone.json()["name"]) == (200, NAME)
    assert ada.get(one).status_code == 404


def test_bad_input_over_rest(in_acme: Cast, rest: Rest) -> None:
    ada = rest(in_acme.ada)
    for name in ("", "a\x00b.example", "x" * 300, 7, None, "localhost"):
        assert ada.post(at(in_acme), {"name": name}).status_code == 422, name
    wrong: list[dict[str, Any]] = [{}, {"name": NAME, "more": 1}]
    for given in wrong:
        assert ada.post(at(in_acme), given).status_code == 422, given
    one = at(in_acme, f"{ada.post(at(in_acme), {'name': NAME}).json()['id']}/")
    assert ada.post(at(in_acme), {"name": NAME}).status_code == 422
    for bad in ({}, {"certificate": "x", "key": "y"}, {"certificate": "x" * 50_000, "key": "y"}, {"certificate": "x\x00", "key": "y"}):
        assert ada.put(f"{one}certificate/", bad).status_code == 422, bad
    assert ada.get(at(in_acme, f"{uuid4()}/")).status_code == 404


def test_who_may(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        pk = make.domain(NAME).pk
        auditor = make.member(cast.acme, "ugo@acme.example", Role.AUDITOR)
    for somebody in (cast.pam, cast.carl, auditor):
        assert rest(somebody).get(at(cast)).status_code == 403
        assert rest(somebody).delete(at(cast, f"{pk}/")).status_code == 403
    eve = rest(cast.eve)
    one = f"{pk}/"
    doors = [("get", ""), ("post", ""), ("get", one), ("delete", one), ("post", f"{one}check/"), ("put", f"{one}certificate/")]
    for method, path in doors:
        assert getattr(eve, method)(at(cast, path), {}).status_code == 404
    # Nor at home, by its id.
    here = f"{base(cast.globex)}/domains/{pk}/"
    assert (eve.get(here).status_code, eve.delete(here).status_code) == (404, 404)
    assert HostName.objects.filter(name=NAME).exists()
