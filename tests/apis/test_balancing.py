"""Pam has further targets share an upstream's calls, and has their health checked."""

import json
from typing import Any

import pytest

from apis import balancing, upstreams
from apis.actions import publishing
from apis.balancing import NONE, Balancing, Further, HealthCheck
from apis.connections import ConnectionRefused
from apis.models import ApiVersion, Upstream
from tenants.errors import Invalid
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

OWN = upstreams.Address("https", "a.example", 8443, "")
URL = "http://127.0.0.1:9"
B, C = {"host": "127.0.0.2", "port": 9, "weight": 20}, {"host": "127.0.0.3", "weight": 0}


def test_what_is_kept_is_what_is_not_so_by_itself() -> None:
    assert NONE.as_json() == {}
    given: dict[str, Any] = {
        "weight": 80,
        "further_targets": [{"host": "B.example", "weight": 20}, {"host": "2001:db8::1", "port": 1, "weight": 0}],
        "health_path": " /healthz ",
        "health_status": "200-200",
    }
    found = balancing.read(OWN, **given)
    # Without a port of its own, a target has that of the address.
    assert found.further == (Further("b.example", 8443, 20), Further("2001:db8::1", 1, 0))
    assert found.check == HealthCheck(path="/healthz", status="200")
    assert [str(each) for each in found.further] == ["b.example:8443", "[2001:db8::1]:1"]
    kept = json.loads(json.dumps(found.as_json()))
    assert Balancing.of(kept) == found
    assert balancing.read(OWN, **found.given) == found
    assert Balancing.of(kept, [["192.0.2.1"]]).further[0].addresses == ("192.0.2.1",), "and one that nothing is known of has none"
    assert balancing.read(OWN, weight=7) == NONE, "alone it has all there is"


@pytest.mark.parametrize(
    "line,given",
    [
        ("b.example", ("b.example", None, 1)),
        (" b.example:8443\t20 ", ("b.example", 8443, 20)),
        ("b.example 0", ("b.example", None, 0)),
        ("192.0.2.7:80", ("192.0.2.7", 80, 1)),
        ("[2001:db8::1]:80 5", ("2001:db8::1", 80, 5)),
        ("2001:db8::1", ("2001:db8::1", None, 1)),
    ],
)
def test_a_line_is_a_target(line: str, given: tuple[str, int | None, int]) -> None:
    found = balancing.line(line)
    assert tuple(found.values()) == given
    assert balancing.line(balancing.as_line(found)) == found


@pytest.mark.parametrize("line", ["https://b.example", "b.example/base", "b.example:http", "b.example 1 2", "b.example 1000"])
def test_another_line_is_none(line: str) -> None:
    with pytest.raises(ConnectionRefused, match="is no target; write for example b.example.com:8443 20, with its weight last"):
        balancing.line(line)


def further(**more: Any) -> dict[str, Any]:
    return {"further_targets": [{"host": "b.example", **more}]}


CHECK = {"health_path": "/healthz"}
WRONG: list[tuple[dict[str, Any], str, str]] = [
    (further(host="b example"), "further_targets", "“b example” is neither a host name nor an IP address."),
    *(
        (further(host=host), "further_targets", "is neither a host name nor an IP address.")
        for host in (
            "",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "①②⑦.⓪.⓪.①",
            "example\u212a.com",
            "a_b.example",
            "*.example",
            "b..example",
            "user@127.0.0.1",
            "b.example/",
            "b.example:80",
            "[::1]",
            "fe80::1%eth0",
            "a" * 64,
            "b\nexample",
        )
    ),
    (further(port=0), "further_targets", "0 is no port; the highest is 65535."),
    (further(port=65_536), "further_targets", "65536 is no port"),
    (further(weight=101), "further_targets", "b.example:8443 has the weight 101; it is 0 to 100."),
    (further(weight=-1), "further_targets", "it is 0 to 100."),
    (further(host="A.example"), "further_targets", "a.example:8443 stands here twice; give it one weight."),
    ({"further_targets": [B, B]}, "further_targets", "127.0.0.2:9 stands here twice"),
    (
        {"further_targets": [{"host": f"b{n}.example"} for n in range(10)]},
        "further_targets",
        "These are 10 further targets; at most 9 may be.",
    ),
    ({"weight": 101}, "weight", "Write a number from 0 to 100."),
    ({"weight": 0}, "weight", "One target at least has to have a weight above 0, or nothing answers."),
    ({"weight": 0, **further(weight=0)}, "weight", "One target at least has to have a weight above 0"),
    *(
        ({"health_path": path}, "health_path", "is no path to check; write for example /healthz")
        for path in ("healthz", "/a//b", "/../a", "/.", "/a?b=c", "/%41", "/é", "/{id}", "/a b", "/" + "a" * 200, "http://a.example/")
    ),
    ({**CHECK, "health_interval": 4}, "health_interval", "Write a number from 5 to 300."),
    ({**CHECK, "health_timeout_ms": 5_001}, "health_timeout_ms", "Write a number from 100 to 5000."),
    ({**CHECK, "health_failures": 0}, "health_failures", "Write a number from 1 to 10."),
    ({**CHECK, "health_successes": 11}, "health_successes", "Write a number from 1 to 10."),
    *(
        ({**CHECK, "health_status": status}, "health_status", "is no status of an answer that is well; write for example 200, or 200-299")
        for status in ("", "2xx", "199", "400", "299-200", "200-400", "200,204", "0200")
    ),
]


@pytest.mark.parametrize("given,field,sentence", WRONG)
def test_what_no_gateway_could_do_is_refused_with_the_reason(given: dict[str, Any], field: str, sentence: str) -> None:
    with pytest.raises(ConnectionRefused) as refused:
        balancing.read(OWN, **given)
    assert refused.value.field == field
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize("path", ["/", "/healthz", "/a/b.json", "/health/", "/~a/-_"])
def test_a_path_is_checked_as_it_stands(path: str) -> None:
    found = balancing.read(OWN, health_path=path).check
    assert found is not None
    assert found.path == path


# With the rest of an upstream


@pytest.mark.parametrize(
    "host,sentence",
    [
        ("10.0.0.1", "“10.0.0.1” resolves to 10.0.0.1, which is not a public address."),
        ("169.254.169.254", "“169.254.169.254” resolves to 169.254.169.254, which is not a public address."),
        ("nowhere.invalid", "“nowhere.invalid” does not resolve to an address. Check the name, then try again."),
    ],
)
def test_a_target_that_calls_cannot_go_to_is_said_with_its_name(in_acme: Cast, host: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        publishing.check_target(URL, further_targets=[B, {"host": host}])
    assert list(refused.value.problems) == ["further_targets"]
    assert sentence in str(refused.value)


def test_what_gets_no_calls_is_not_looked_up(in_acme: Cast) -> None:
    found = publishing.check_target("http://gone.invalid", weight=0, further_targets=[B, {"host": "gone-too.invalid", "weight": 0}])
    assert found.addresses == ()
    assert [each.addresses for each in found.balances.further] == [("127.0.0.2",), ()]


@pytest.fixture
def version(in_acme: Cast) -> ApiVersion:
    make.api("orders")
    return ApiVersion.objects.get()


def add(version: ApiVersion, url: str = URL, **target: Any) -> Upstream:
    made = publishing.add_revision(version, document=make.document(), target=make.target(url, **target), by=None).upstream
    assert made is not None
    return made


def test_a_revision_keeps_its_targets_and_where_they_are(version: ApiVersion) -> None:
    made = add(version, weight=80, further_targets=[B, C], health_path="/healthz")
    made.refresh_from_db()
    assert made.further_addresses == [["127.0.0.2"], []]
    assert made.balances.further == (Further("127.0.0.2", 9, 20, ("127.0.0.2",)), Further("127.0.0.3", 9, 0))
    assert (made.balances.weight, made.balances.check) == (80, HealthCheck(path="/healthz"))
    plain = add(version)
    assert (plain.balancing, plain.further_addresses) == ({}, [])


def test_a_secret_that_is_kept_goes_to_no_target_that_it_was_not_given_for(version: ApiVersion) -> None:
    kept = add(version, header="x-key", secret="s3cret", further_targets=[B])
    fewer = add(version, header="x-key", kept=kept, weight=9)
    assert fewer.sealed
    others: list[dict[str, Any]] = [{"further_targets": [B, C]}, {"further_targets": [{**B, "port": 10}]}, {"url": "http://127.0.0.4:9"}]
    for other in others:
        with pytest.raises(Invalid, match="The secret was given for 127.0.0.1; type it again to send it elsewhere."):
            add(version, header="x-key", kept=kept, **other)
    # Nor to one that gets no calls yet: the next revision may give it some.
    with pytest.raises(Invalid, match="type it again"):
        add(version, header="x-key", kept=fewer, further_targets=[{**B, "weight": 0}])


# REST


def test_pam_says_it_over_rest_and_reads_it(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    address, pam = f"{base(cast.acme)}/apis/orders/versions/v1/revisions/", rest(cast.pam)
    upstream = {"url": URL, "weight": 80, "further_targets": [B, C], "health_path": "/healthz", "health_interval": 30}
    answer = pam.post(address, {"document": make.DOCUMENT, "upstream": upstream})
    assert answer.status_code == 201, answer.content
    found = answer.json()["upstream"]
    assert found["further_targets"] == [{**B, "addresses": ["127.0.0.2"]}, {**C, "port": 9, "addresses": []}]
    told = {"weight": 80, "health_path": "/healthz", "health_status": "200-299", "health_interval": 30, "health_failures": 3}
    assert {name: found[name] for name in told} == told
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"weight": 101}, "weight"),
        ({"further_targets": [{"host": "b example"}]}, "further_targets"),
        ({"further_targets": [{"host": "127.0.0.2", "wait": 1}]}, "wait"),
        ({"further_targets": "127.0.0.2"}, "further_targets"),
        ({"health_path": "a"}, "health_path"),
        ({"health_interval": 1}, "health_interval"),
    ]
    for more, field in wrong:
        refused = pam.post(address, {"document": make.DOCUMENT, "upstream": {**upstream, **more}})
        assert (refused.status_code, field in refused.content.decode()) == (422, True), refused.content
