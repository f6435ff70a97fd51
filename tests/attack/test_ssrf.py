"""Upstreams that would lead calls to where they must not go."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apis.actions import publishing
from apis.upstreams import Address, UpstreamRefused, check_header, parse, resolve
from tenants import addresses
from tenants.errors import Invalid
from tests.conftest import Cast, Rest, base

PUBLIC = "93.184.216.34"
ANY = Address("https", "orders.example.com", 443, "")


def answers(*addresses: str) -> addresses.Resolver:
    return lambda host, port: list(addresses)


# --- addresses -----------------------------------------------------------------------------------------------------

NOT_AN_ADDRESS = [
    # IPv4 in the spellings that inet_aton knows
    "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://127.1/", "http://127.0.1/",
    "http://0/", "http://00000000/", "http://017700000001/", "http://127.0.0.1./", "http://0x7f.1/", "http://1.1.1.256/",
    "http://0X7F000001/", "http://127.0.0.0x1/", "http://127.0.0.01/", "http://4294967296/",
    # what is not ASCII, or not what it looks like
    "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://１２７.0.0.1/", "http://٠/", "http://orders。example.com/",
    "http://ⓛocalhost/", "http://lоcalhost/", "http://exa\u00admple.com/", "http://exam\tple.com/", "http://example.com\n/",
    "http://exam ple.com/", "http://example.com\\@127.0.0.1/", "http://example.com%2f@127.0.0.1/",
    # somebody's name in front
    "http://user@example.com/", "http://user:password@example.com/", "http://example.com@127.0.0.1/", "http://@example.com/",
    "http://:@example.com/", "http://example.com:80@127.0.0.1/",
    # not http
    "ftp://example.com/", "file:///etc/passwd", "gopher://127.0.0.1:70/", "unix:///run/x.sock", "//example.com/", "example.com",
    "javascript:alert(1)", "HTTPS:example.com", "", "http://", "http:///path", "https:/example.com", "http://?x", "http://#x",
    # parts
    "http://example.com/?a=b", "http://example.com/?", "http://example.com/#", "http://example.com/#a",
    "http://example.com/a/../b", "http://example.com/./a", "http://example.com//a", "http://example.com/%2e%2e/",
    "http://example.com:0/", "http://example.com:65536/", "http://example.com:-1/", "http://example.com:8o/",
    "http://example.com:٨٠/", "http://example.com: 80/",
    # host names
    "http://-a.example.com/", "http://a-.example.com/", "http://a..example.com/", "http://.example.com/", "http://a_b.example.com/",
    "http://" + "a" * 64 + ".example.com/", "http://" + "a." * 130 + "com/", "http://*.example.com/", "http://a$b/", "http://./",
    # IPv6
    "http://[::1/", "http://::1/", "http://[fe80::1%25eth0]/", "http://[2606:4700::1%eth0]/", "http://[::1]x/", "http://[v1.a]/",
    "http://[127.0.0.1]/", "http://[]/",
    "http://example.com/" + "a" * 800,
]  # fmt: skip


@pytest.mark.parametrize("url", NOT_AN_ADDRESS)
def test_what_is_no_plain_address_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(UpstreamRefused) as refused:
        parse(url)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    "url,address",
    [
        ("https://orders.example.com", Address("https", "orders.example.com", 443, "")),
        ("http://orders.example.com/", Address("http", "orders.example.com", 80, "")),
        ("HTTPS://Orders.Example.COM:8443/Base/", Address("https", "orders.example.com", 8443, "/Base")),
        ("https://orders.example.com./a", Address("https", "orders.example.com", 443, "/a")),
        ("http://192.0.2.7:81/a/b", Address("http", "192.0.2.7", 81, "/a/b")),
        ("http://[2001:DB8::1]/", Address("http", "2001:db8::1", 80, "")),
        ("http://orders/", Address("http", "orders", 80, "")),
        ("http://xn--nxasmq6b.example/", Address("http", "xn--nxasmq6b.example", 80, "")),
    ],
)
def test_a_plain_address_is_taken_apart(url: str, address: Address) -> None:
    assert parse(url) == address


@given(st.text(max_size=60))
def test_whatever_is_written_is_an_address_or_a_sentence(text: str) -> None:
    for url in (text, f"http://{text}", f"https://example.com{text}"):
        try:
            found = parse(url)
        except UpstreamRefused:
            continue
        assert found.host == found.host.lower()
        assert 0 < found.port < 65536
        assert "@" not in found.host
        assert parse(f"{found.scheme}://{f'[{found.host}]' if ':' in found.host else found.host}:{found.port}{found.path}") == found


# --- networks ------------------------------------------------------------------------------------------------------

NOT_PUBLIC = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.127.255.255", "100.100.100.200", "192.0.0.1", "192.0.2.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1", "100::1",
    # IPv4 inside IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "::127.0.0.1", "::8.8.8.8",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
    "2002:808:808::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "5f00::1",
]  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    with pytest.raises(UpstreamRefused, match="is not a public address"):
        resolve(ANY, allowed=[], resolver=answers(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
@pytest.mark.parametrize("first", [True, False])
def test_one_public_address_does_not_let_a_private_one_in(address: str, first: bool) -> None:
    both = (PUBLIC, address) if first else (address, PUBLIC)
    with pytest.raises(UpstreamRefused, match="is not a public address"):
        resolve(ANY, allowed=[], resolver=answers(*both))


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_pinned(address: str) -> None:
    assert resolve(ANY, allowed=[], resolver=answers(address)) == (address,)


def test_what_is_pinned_is_sorted_once_and_bounded() -> None:
    many = [f"8.8.{i}.8" for i in range(40, 0, -1)] * 2
    found = resolve(ANY, allowed=[], resolver=answers(*many))
    assert found == tuple(sorted(set(many)))[:16]


def test_the_operator_may_allow_a_network_and_only_that() -> None:
    assert resolve(ANY, allowed=["10.1.0.0/16", "fd00::/8"], resolver=answers("10.1.2.3", "fd00::1")) == (
        "10.1.2.3",
        "fd00::1",
    )
    assert resolve(ANY, allowed=["10.1.0.0/16"], resolver=answers("::ffff:10.1.2.3")) == ("::ffff:10.1.2.3",)
    for address in ("10.2.0.1", "127.0.0.1", "169.254.169.254", "2002:a01:203::1", "64:ff9b::a01:203"):
        with pytest.raises(UpstreamRefused):
            resolve(ANY, allowed=["10.1.0.0/16"], resolver=answers(address))


@pytest.mark.parametrize("error", [OSError("no such name"), UnicodeError("label too long")])
def test_a_name_that_does_not_resolve_is_told_so(error: Exception) -> None:
    def fails(host: str, port: int) -> list[str]:
        raise error

    for resolver in (fails, answers()):
        with pytest.raises(UpstreamRefused, match="“orders.example.com” does not resolve to an address. Check the name"):
            resolve(ANY, allowed=[], resolver=resolver)


@given(st.ip_addresses())
def test_nothing_passes_that_python_knows_as_private(address: Any) -> None:
    try:
        resolve(ANY, allowed=[], resolver=answers(str(address)))
    except UpstreamRefused:
        return
    inner = getattr(address, "ipv4_mapped", None) or address
    assert inner.is_global
    assert not any([inner.is_private, inner.is_loopback, inner.is_link_local, inner.is_multicast, inner.is_reserved])
    if isinstance(inner, ipaddress.IPv6Address):
        assert inner in ipaddress.ip_network("2000::/3")
        assert inner.sixtofour is None
        assert inner.teredo is None


# --- the injected header ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Host",
        "host",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "TE",
        "Upgrade",
        "X-Portico-Application",
        "x-envoy-original-path",
        "X-Forwarded-For",
        "Sec-Fetch-Site",
        ":authority",
        "a b",
        "a:b",
        "a\nb",
        "X-Key\n",
        "X-Key\r\n",
        "ü",
        "x" * 81,
        "x_y",
        "Via",
    ],
)
def test_a_header_that_is_not_the_publishers_to_set_is_refused(name: str) -> None:
    with pytest.raises(UpstreamRefused):
        check_header(name, "secret")


@pytest.mark.parametrize("value", ["", " a", "a ", "a\r\nX: y", "a\x00b", "ü", "x" * 4001])
def test_a_header_value_that_could_become_more_is_refused(value: str) -> None:
    with pytest.raises(UpstreamRefused, match="printable ASCII"):
        check_header("X-Key", value)


@pytest.mark.parametrize("name", ["X-Key", "Authorization", "apikey", "Cookie"])
def test_a_header_of_the_publishers_own_is_fine(name: str) -> None:
    check_header(name, "Bearer secret")


# --- at the door -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest/meta-data", "http://10.0.0.1", "http://[::ffff:10.0.0.1]/", "http://[fd00:ec2::254]/"]
)
def test_an_import_that_leads_inside_is_refused_at_the_door(cast: Cast, rest: Rest, url: str) -> None:
    pam, at = rest(cast.pam), base(cast.acme)
    pam.post(f"{at}/apis/", {"slug": "orders", "name": "Orders"})
    pam.post(f"{at}/apis/orders/versions/", {"name": "v1"})
    document = {
        "openapi": "3.0.3",
        "info": {"title": "T", "version": "1"},
        "paths": {"/a": {"get": {"responses": {"200": {"description": "d"}}}}},
    }
    response = pam.post(f"{at}/apis/orders/versions/v1/revisions/", {"document": document, "upstream": {"url": url}})
    assert response.status_code == 422
    assert "is not a public address" in response.json()["errors"]["upstream"][0]
    assert "PORTICO_UPSTREAM_NETWORKS" in response.json()["errors"]["upstream"][0]


def test_the_refusal_is_the_persons_error_not_ours() -> None:
    with pytest.raises(Invalid) as refused:
        publishing.check_target("http://10.0.0.1")
    assert list(refused.value.problems) == ["upstream"]
