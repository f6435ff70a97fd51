"""An address of a document leads to it alone: https, public addresses, also where it leads on; bounded in time and size."""

import gzip
import time
from typing import Any

import pytest

from apis import document_at
from apis.document_at import Fetched, FetchRefused, Trouble, fetch
from keys import fetching
from tests.apis.document_server import NAME, SMALL, Site, site
from tests.keys.test_fetching import INSIDE, at

__all__ = ["site"]


def refusal(url: str, **more: Any) -> FetchRefused:
    with pytest.raises(FetchRefused) as refused:
        fetch(url, **more)
    return refused.value


@pytest.mark.parametrize(
    ("url", "trouble"),
    [("", Trouble.NO_HTTPS), ("docs.example.com/a", Trouble.NO_HTTPS), ("http://docs.example.com/a", Trouble.NO_HTTPS),
     ("file:///etc/passwd", Trouble.NO_HTTPS), ("https://", Trouble.NO_HTTPS), ("https://2130706433/", Trouble.NO_HTTPS),
     ("https://0x7f000001/", Trouble.NO_HTTPS), ("https://docs.example.com:0/", Trouble.NO_HTTPS),
     ("https://[fe80::1%25eth0]/", Trouble.NO_HTTPS), ("https://docs.example.com:x/", Trouble.SHAPE), ("https://[::1", Trouble.SHAPE),
     ("https://ü.example.com/", Trouble.SHAPE), ("https://a b.example.com/", Trouble.SHAPE), ("https://a\\@evil.example/", Trouble.SHAPE),
     ("https://a/" + "x" * 500, Trouble.SHAPE), ("https://a.example.com/\n", Trouble.SHAPE),
     ("https://pam@docs.example.com/", Trouble.NOT_ONLY), ("https://pam:word@docs.example.com/", Trouble.NOT_ONLY),
     ("https://docs.example.com/#/", Trouble.NOT_ONLY)],
)  # fmt: skip
def test_what_is_no_address_of_a_document_is_called_by_nobody(url: str, trouble: Trouble) -> None:
    assert refusal(url, resolver=lambda host, port: pytest.fail("looked up")).trouble == trouble


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_that_leads_inside_is_not_followed(address: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.UPSTREAM_NETWORKS = []
    monkeypatch.setattr(fetching, "_fetch", lambda *_, **__: pytest.fail("called"))
    for found in ([address], ["93.184.216.34", address]):
        refused = refusal("https://docs.example.com/a", resolver=at(*found))
        assert str(refused) == "docs.example.com has no public address that a document could be fetched from."


def test_a_document_comes_with_its_etag(site: Site) -> None:
    site.headers = {"ETag": '"1"'}
    assert fetch(site.url) == Fetched(SMALL, '"1"')
    assert fetch(site.url, etag='"0"') == Fetched(SMALL, '"1"')
    assert fetch(site.url, etag='"1"') is None
    assert site.asked == ["", '"0"', '"1"']


@pytest.mark.parametrize("etag", ["x" * 201, "\xe9"])
def test_an_etag_that_could_not_be_sent_back_is_not_kept(site: Site, etag: str) -> None:
    site.headers = {"ETag": etag}
    assert fetch(site.url) == Fetched(SMALL, "")


def test_lines_end_as_ours_do(site: Site) -> None:
    site.body = SMALL.replace("\n", "\r\n").encode()
    assert fetch(site.url) == Fetched(SMALL)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 404}, "127.0.0.1 has nothing at this address: it answered 404."),
        ({"status": 403}, "127.0.0.1 does not give the document to everyone: it answered 403, and Portico does not sign in."),
        ({"status": 500}, "127.0.0.1 answered 500 instead of a document."),
        ({"status": 206}, "127.0.0.1 answered 206 instead of a document."),
        ({"status": 304}, "127.0.0.1 answered 304 instead of a document."),
        ({"headers": {"Content-Type": "text/HTML; charset=utf-8"}},
         "127.0.0.1 answered with a web page. Give the address of the document itself."),
        ({"body": b"\xff\xfea\x00"}, "What 127.0.0.1 answered is no text in UTF-8."),
        ({"body": b"a\x00"}, "What 127.0.0.1 answered is no text in UTF-8."),
        ({"headers": {"Content-Length": "-1"}}, "127.0.0.1 did not answer, or not as a web server does."),
        ({"body": b"#" * (16 * 1024 * 1024 + 1)}, "The document at 127.0.0.1 is larger than 16 MB."),
        ({"headers": {"Content-Encoding": "gzip"}, "body": gzip.compress(b"#" * 50_000_000)},
         "127.0.0.1 sent the document compressed, although that was not asked for."),
    ],
)  # fmt: skip
def test_what_else_it_answers_is_said(site: Site, answer: dict[str, Any], said: str) -> None:
    for name, value in answer.items():
        setattr(site, name, value)
    assert str(refusal(site.url)) == said
    assert len(site.asked) == 1


def test_sixteen_megabytes_come(site: Site) -> None:
    site.body = b"#" * 16 * 1024 * 1024
    fetched = fetch(site.url)
    assert fetched is not None
    assert len(fetched.text) == 16 * 1024 * 1024


def test_a_server_that_drips_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_at, "SECONDS", 1)
    site.drip, site.body = 0.3, b"#" * 10_000_000
    began = time.monotonic()
    assert str(refusal(site.url)) == "127.0.0.1 did not answer with all of the document within 1 seconds."
    assert time.monotonic() - began < 6


def test_a_certificate_for_another_name_is_said(site: Site) -> None:
    url = site.url.replace("127.0.0.1", "other.example.com")
    assert str(refusal(url, resolver=at("127.0.0.1"))) == "other.example.com could not be trusted: its certificate is not valid for it."
    assert not site.asked


def test_nobody_at_home_is_said(settings: Any) -> None:
    assert str(refusal("https://127.0.0.1:9/")) == "127.0.0.1 did not answer, or not as a web server does."


# --- where it leads on


@pytest.mark.parametrize(
    ("location", "trouble"),
    [("https://169.254.169.254/latest/meta-data/", Trouble.FORBIDDEN), ("https://10.0.0.1/", Trouble.FORBIDDEN),
     ("https://[fd00::1]/", Trouble.FORBIDDEN), ("http://127.0.0.1/", Trouble.ELSEWHERE), ("//pam@127.0.0.1/", Trouble.ELSEWHERE),
     ("file:///etc/passwd", Trouble.ELSEWHERE), ("https://[::1", Trouble.SILENT)],
)  # fmt: skip
def test_it_does_not_lead_on_to_inside(site: Site, location: str, trouble: Trouble) -> None:
    site.status, site.headers = 302, {"Location": location}
    assert refusal(site.url).trouble == trouble
    assert len(site.asked) == 1


def test_a_name_that_it_leads_on_to_is_looked_up_and_looked_at_too(site: Site) -> None:
    site.status, site.headers = 301, {"Location": "https://inside.example.com/"}
    asked = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["10.1.2.3"] if host == "inside.example.com" else ["127.0.0.1"]

    url = site.url.replace("127.0.0.1", NAME)
    assert str(refusal(url, resolver=resolver)) == "inside.example.com has no public address that a document could be fetched from."
    assert asked == [NAME, "inside.example.com"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_it_may_lead_on_to_a_public_one(site: Site, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    there = iter([fetching.Answer(status, {"location": "/there"}, b""), fetching.Answer(200, {}, SMALL.encode())])
    called = []

    def call(method: str, parts: Any, **_more: Any) -> fetching.Answer:
        called.append(parts.geturl())
        return next(there)

    monkeypatch.setattr(fetching, "call", call)
    assert fetch(site.url) == Fetched(SMALL)
    assert called == [site.url, site.url.replace("openapi.yaml", "there")]


def test_it_does_not_lead_round_for_ever(site: Site) -> None:
    site.status, site.headers = 302, {"Location": "/openapi.yaml"}
    assert str(refusal(site.url)) == "127.0.0.1 leads on to other addresses more than 3 times."
    assert len(site.asked) == 4


@pytest.mark.parametrize("location", ["", "https://", "?"])
def test_it_leads_on_to_nowhere(site: Site, location: str) -> None:
    site.status, site.headers = 302, {"Location": location}
    assert refusal(site.url).trouble in {Trouble.ELSEWHERE, Trouble.ROUND, Trouble.SILENT}
