"""Pam says how gateways connect to an upstream: how they prove themselves, and which paths it knows."""

import json
from typing import Any

import pytest

from apis import connections
from apis.actions import publishing
from apis.connections import BASIC, BEARER, NONE, Connection, ConnectionRefused, stripped
from apis.models import ApiVersion, Revision, Upstream
from keys.envelope import unseal
from keys.kek import kek
from tenants.errors import Invalid
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

SECRET = "s3cret-of-pam"
UPSTREAM = "http://127.0.0.1:9"
V3 = {**make.DOCUMENT, "paths": {f"/api/v3{path}": item for path, item in make.DOCUMENT["paths"].items()}}


def test_what_is_kept_is_what_is_not_so_by_itself() -> None:
    assert NONE.as_json() == {}
    found = connections.read(credential=BASIC, user="pörtico", strip_path=" /api/v3/ ")
    assert found.as_json() == {"credential": "basic", "user": "pörtico", "strip_path": "/api/v3"}
    assert Connection.of({**json.loads(json.dumps(found.as_json())), "of_tomorrow": 1}) == found


def test_the_header_says_it_as_the_standards_do() -> None:
    assert NONE.value(SECRET) == SECRET
    assert Connection(credential=BEARER).value(SECRET) == f"Bearer {SECRET}"
    # RFC 7617 §2 and §2.1.
    assert Connection(credential=BASIC, user="Aladdin").value("open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert Connection(credential=BASIC, user="test").value("123£") == "Basic dGVzdDoxMjPCow=="


@pytest.mark.parametrize(
    "path,beginning,off",
    [
        ("/api/v3/orders/{id}", "/api/v3", "/api/v3"),
        ("/api/v3", "/api/v3", "/api/v3"),
        ("/api/v30", "/api/v3", ""),
        ("/{name}/v3/orders", "/api/v3", ""),
        ("/orders", "", ""),
    ],
)
def test_whole_segments_go_off(path: str, beginning: str, off: str) -> None:
    assert stripped(path, beginning) == off


WRONG = [
    ({"credential": BASIC}, "user", "A user has 1 to 200 characters, and no colon."),
    ({"credential": BASIC, "user": "a:b"}, "user", "no colon"),
    ({"credential": BASIC, "user": "a" * 201}, "user", "1 to 200"),
    ({"credential": BASIC, "user": "a\nb"}, "user", "no colon"),
    ({"credential": BEARER, "user": "a"}, "user", "Only user and password have a user; leave it empty."),
    ({"user": "a"}, "user", "leave it empty"),
    *(
        ({"strip_path": text}, "strip_path", "is not the beginning of a path; write for example /api/v3")
        for text in ("api", "/a b", "/a//b", "/../a", "/a/.", "/{id}", "/%41", "/a?b", "/é", "/" + "a" * 200, "http://a.example/b")
    ),
]


@pytest.mark.parametrize("given,field,sentence", WRONG)
def test_what_no_gateway_could_do_is_refused_with_the_reason(given: dict[str, str], field: str, sentence: str) -> None:
    with pytest.raises(ConnectionRefused) as refused:
        connections.read(**given)
    assert refused.value.field == field
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 200


# With the rest of an upstream


@pytest.mark.parametrize(
    "given,field,sentence",
    [
        ({"credential": BEARER, "header": "x-key", "secret": "a"}, "header", "go into Authorization; leave the header empty."),
        ({"credential": BEARER}, "secret", "A bearer token is letters"),
        ({"credential": BEARER, "secret": "Bearer abc"}, "secret", "leave the word Bearer out"),
        ({"credential": BASIC, "user": "a"}, "secret", "Type the password"),
        ({"credential": BASIC, "user": "a", "secret": "a\nb"}, "secret", "no control characters"),
        ({"credential": BASIC, "user": "a", "secret": "a" * 4_000}, "secret", "more than 4,000 characters"),
        ({"header": "x-key"}, "upstream", "The header's secret is 1 to 4,000 printable ASCII"),
    ],
)
def test_a_secret_that_cannot_be_is_refused_where_it_was_typed(in_acme: Cast, given: dict[str, str], field: str, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        publishing.check_target(UPSTREAM, **given)  # type: ignore[arg-type]
    assert list(refused.value.problems) == [field]
    assert sentence in str(refused.value)


@pytest.fixture
def version(in_acme: Cast) -> ApiVersion:
    make.api("orders")
    return ApiVersion.objects.get()


def add(version: ApiVersion, content: dict[str, Any] | None = None, **target: Any) -> Revision:
    return publishing.add_revision(version, document=make.document(content), target=make.target(UPSTREAM, **target), by=None)


def test_the_secret_is_sealed_as_it_was_given(version: ApiVersion) -> None:
    upstream = add(version, credential=BASIC, user="pam", secret=SECRET).upstream
    assert upstream is not None
    assert (upstream.header, upstream.connection) == ("authorization", {"credential": "basic", "user": "pam"})
    assert unseal(upstream.sealed, upstream.sealed_for, kek()).decode() == SECRET
    assert SECRET not in json.dumps(list(Event.objects.values_list("data", flat=True)))


def test_a_secret_stays_with_the_user_it_was_given_for(version: ApiVersion) -> None:
    kept = add(version, credential=BASIC, user="pam", secret=SECRET).upstream
    same = add(version, credential=BASIC, user="pam", strip_path="", kept=kept).upstream
    assert same is not None
    assert unseal(same.sealed, same.sealed_for, kek()).decode() == SECRET
    for other in ({"credential": BASIC, "user": "ada"}, {"credential": BEARER}, {"header": "authorization"}):
        with pytest.raises(Invalid):
            add(version, kept=kept, **other)


def test_a_beginning_that_no_path_has_is_refused(version: ApiVersion) -> None:
    with pytest.raises(Invalid, match="No path of the document begins with /api/v3, so nothing could be taken off."):
        add(version, strip_path="/api/v3")
    assert add(version, V3, strip_path="/api/v3").upstream is not None


# REST


def test_pam_says_it_over_rest_and_reads_all_but_the_secret(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    address, pam = f"{base(cast.acme)}/apis/orders/versions/v1/revisions/", rest(cast.pam)
    upstream = {"url": UPSTREAM, "credential": "basic", "user": "pam", "secret": SECRET, "strip_path": "/api/v3"}
    answer = pam.post(address, {"document": V3, "upstream": upstream})
    assert answer.status_code == 201, answer.content
    found = answer.json()["upstream"]
    told = {"credential": "basic", "user": "pam", "strip_path": "/api/v3", "header": "authorization"}
    assert {name: found[name] for name in told} == told
    assert SECRET not in answer.content.decode()
    for wrong, field in ({"credential": "digest"}, "credential"), ({"user": "a:b"}, "user"), ({"strip_path": "v3"}, "strip_path"):
        refused = pam.post(address, {"document": V3, "upstream": {**upstream, **wrong}})
        assert (refused.status_code, field in refused.content.decode()) == (422, True), refused.content
    with tenant_scope(cast.acme.pk):
        assert Upstream.objects.count() == 2
