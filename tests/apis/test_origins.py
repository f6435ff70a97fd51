"""Origins are compared as whole texts, so there is one spelling of each: the one that browsers send."""

import pytest

from apis.origins import MAX_TOGETHER, MOST, OriginRefused, normal, origin


@pytest.mark.parametrize(
    "given,sent",
    [
        ("https://shop.example", "https://shop.example"),
        (" HTTPS://Shop.Example\n", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("https://shop.example:0443", "https://shop.example"),
        ("http://shop.example:80", "http://shop.example"),
        ("https://shop.example:80", "https://shop.example:80"),
        ("http://shop.example:443", "http://shop.example:443"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://shop.example.", "https://shop.example."),
        ("https://192.0.2.1:65535", "https://192.0.2.1:65535"),
        ("https://[2001:DB8:0:0::1]:443", "https://[2001:db8::1]"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://" + "a" * 63 + ".example", "https://" + "a" * 63 + ".example"),
    ],
)
def test_an_origin_is_written_as_browsers_send_it(given: str, sent: str) -> None:
    assert origin(given) == sent
    assert origin(sent) == sent


@pytest.mark.parametrize(
    "given,sentence",
    [
        ("https://shop.example/", "https://shop.example/ has a path; an origin ends after the host and port."),
        ("https://shop.example/cart", "has a path"),
        ("https://shop.example?a=b", "has a path"),
        ("https://shop.example#top", "has a path"),
        ("https://carl@shop.example", "https://carl@shop.example names a user; an origin is scheme, host and port."),
        ("https://carl:secret@shop.example:443", "names a user"),
        ("https://*.shop.example", "https://*.shop.example has a wildcard inside; name each origin, or write * alone for every one."),
        ("https://*", "has a wildcard inside"),
        ("**", "has a wildcard inside"),
        ("shop.example", "shop.example does not begin with https:// or http://."),
        ("//shop.example", "does not begin"),
        ("ftp://shop.example", "does not begin"),
        ("file:///etc/passwd", "does not begin"),
        ("https:shop.example", "does not begin"),
        ("null", "null is what browsers send for pages without an origin; it can't be allowed."),
        ("", "An origin is missing; write for example https://shop.example."),
        ("   ", "An origin is missing"),
        ("https://", "has no host that can be called"),
        ("https://:443", "has no host that can be called"),
        ("https://a..example", "has no host that can be called"),
        ("https://-a.example", "has no host that can be called"),
        ("https://a%2fb.example", "has no host that can be called"),
        ("https://" + "a" * 64 + ".example", "has no host that can be called"),
        ("https://1.2.3", "has no host that can be called"),
        ("https://01.2.3.4", "has no host that can be called"),
        ("https://0x7f.0.0.1", "has no host that can be called"),
        ("https://[::1", "has no host that can be called"),
        ("https://[::1]x", "has no host that can be called"),
        ("https://[fe80::1%25eth0]", "has no host that can be called"),
        ("https://shop.example:", "https://shop.example: has no port from 1 to 65535 after the colon."),
        ("https://shop.example:0", "has no port"),
        ("https://shop.example:65536", "has no port"),
        ("https://shop.example:+1", "has no port"),
        ("https://shop.example:1:2", "has no port"),
        ("https://a.example, https://b.example", "has a character that no origin has; write one origin at a time."),
        ("https://a.example\nhttps://b.example", "has a character that no origin has"),
        ("https://a.example\x00", "has a character that no origin has"),
        ("https:\\\\a.example", "has a character that no origin has"),
        ("https://bücher.example", "has letters beyond ASCII"),
        ("https://shop．example", "has letters beyond ASCII"),
        ("https://" + "a." * 200 + "example", "is longer than 300 characters."),
    ],
)
def test_what_no_browser_sends_is_refused_in_a_sentence(given: str, sentence: str) -> None:
    with pytest.raises(OriginRefused) as refused:
        origin(given)
    text = str(refused.value)
    assert sentence in text
    assert text.endswith(".")
    assert text == refused.value.sentence % refused.value.named
    assert len(text) < 250


def test_origins_stand_in_order_and_none_twice() -> None:
    assert normal(["https://b.example", "HTTPS://A.example:443", "https://a.example"]) == ["https://a.example", "https://b.example"]
    assert normal([]) == []


def test_every_origin_stands_alone() -> None:
    assert normal(["*", " * "]) == ["*"]
    with pytest.raises(OriginRefused, match=r"\* is every origin already; write it alone, or leave it out\."):
        normal(["https://a.example", "*"])


def test_there_are_not_too_many() -> None:
    many = [f"https://{n}.example" for n in range(MOST)]
    assert len(normal([*many, many[0]])) == MOST
    with pytest.raises(OriginRefused, match="These are 21 origins; an API may have 20."):
        normal([*many, "https://one-more.example"])


def test_together_they_are_not_too_long() -> None:
    long = [f"https://{n}{'a' * 50}.{'b' * 40}.example" for n in range(9)]
    assert sum(map(len, long)) <= MAX_TOGETHER
    assert normal(long) == long
    with pytest.raises(OriginRefused, match="1080 characters together; at most 1000 may be."):
        normal([*long, f"https://9{'a' * 50}.{'b' * 40}.example"])
