"""Pam keeps providers of AI models over REST: connects them, adds and tests keys, which are told to nobody, and prices models."""

from typing import Any

import pytest

from apis.models import Provider, ProviderKey
from tenants.models import Event, Membership, Role
from tests import make
from tests.apis.models_server import answering
from tests.conftest import Cast, Rest, base, queries

KEY = "sk-rest-0123456789-wxyz"
GIVEN = {"kind": "openai", "url": "http://127.0.0.1:9/v1", "key": KEY}


@pytest.fixture
def openai(in_acme: Cast) -> Provider:
    return make.provider(by=in_acme.pam)


def at(cast: Cast, path: str = "") -> str:
    return f"{base(cast.acme)}/providers/{path}"


def test_the_kinds_are_told_with_their_prices(in_acme: Cast, rest: Rest) -> None:
    found = rest(in_acme.pam).get(f"{base(in_acme.acme)}/provider-kinds/").json()
    mini = next(each for each in found["kinds"][0]["models"] if each["name"] == "gpt-4o-mini")
    assert (found["currency"], mini["input"], mini["output"], mini["context"]) == ("USD", "0.15", "0.6", 128_000)
    assert found["kinds"][0]["dialects"][0]["value"] == "Bearer {key}"


def test_one_is_connected_and_its_key_told_to_nobody(in_acme: Cast, rest: Rest) -> None:
    pam = rest(in_acme.pam)
    with queries("providers:create"):
        made = pam.post(at(in_acme), GIVEN)
    assert (made.status_code, made.json()["slug"], made.json()["url"]) == (201, "openai", "http://127.0.0.1:9")
    assert KEY not in made.content.decode()
    with queries("providers:list"):
        assert pam.get(at(in_acme)).json()["results"] == [made.json()]
    assert pam.get(at(in_acme, "openai/")).json() == made.json()
    with queries("providers:keys"):
        [key] = pam.get(at(in_acme, "openai/keys/")).json()["results"]
    assert (key["label"], key["last_four"], key["state"], key["why"]) == ("1", "wxyz", "on", "")
    assert pam.get(at(in_acme, f"openai/keys/{key['id']}/")).json() == key
    with queries("providers:models"):
        assert len(pam.get(at(in_acme, "openai/models/")).json()["results"]) == 9
    everything = "".join(pam.get(at(in_acme, path)).content.decode() for path in ("", "openai/", "openai/keys/", "openai/models/"))
    assert KEY not in everything + str(list(Event.objects.values()))
    again = pam.post(at(in_acme), GIVEN)
    assert (again.status_code, again.json()["errors"]["slug"]) == (
        422,
        ["There is a provider “openai” already. Choose another short name."],
    )


def test_one_is_changed_and_removed(in_acme: Cast, rest: Rest, openai: Provider) -> None:
    pam, one = rest(in_acme.pam), at(in_acme, "openai/")
    changed = {"name": "Ours", "first_byte_ms": 5_000, "dialects": [
        {"format": "anthropic", "prefix": "", "header": "x-api-key", "value": "{key}", "include_usage": True},
    ]}  # fmt: skip
    for _ in range(2):
        found = pam.patch(one, changed)
        assert (found.status_code, {name: found.json()[name] for name in changed}) == (200, changed)
    assert Event.objects.filter(kind="provider.changed").count() == 1
    stale = pam.patch(one, {"name": "Other"}, headers={"If-Match": '"stale"'})
    assert stale.status_code == 412
    fresh = pam.patch(one, {"url": "http://127.0.0.1:9/base"}, headers={"If-Match": pam.get(one)["ETag"]})
    assert (fresh.status_code, fresh.json()["url"]) == (200, "http://127.0.0.1:9/base")
    make.provider_key(openai)
    moved = pam.patch(one, {"url": "http://127.0.0.1:10"})
    assert (moved.status_code, "The keys were given for 127.0.0.1:9" in moved.json()["detail"]) == (409, True)
    assert pam.delete(one).status_code == 204
    assert pam.get(one).status_code == pam.delete(one).status_code == 404


def test_a_key_is_added_changed_switched_and_removed(in_acme: Cast, rest: Rest, openai: Provider) -> None:
    pam = rest(in_acme.pam)
    made = pam.post(at(in_acme, "openai/keys/"), {"label": "Team", "key": KEY, "weight": 5})
    assert (made.status_code, made.json()["weight"], KEY in made.content.decode()) == (201, 5, False)
    one = at(in_acme, f"openai/keys/{made.json()['id']}/")
    assert pam.patch(one, {"on": False}).json()["state"] == "off"
    found = pam.patch(one, {"on": True, "priority": 2, "label": "Reserve"}).json()
    assert (found["state"], found["priority"], found["label"]) == ("on", 2, "Reserve")
    assert pam.patch(one, {"key": "another"}).json()["errors"]["key"], "add one in its place"
    assert pam.delete(one).status_code == 204
    assert not ProviderKey.objects.exists()


def test_a_key_is_tested(in_acme: Cast, rest: Rest) -> None:
    pam = rest(in_acme.pam)
    with answering(status=401, answer=KEY.encode()) as there:
        key = make.provider_key(make.provider(url=there.url, by=in_acme.pam), key=KEY)
        with queries("providers:test"):
            found = pam.post(at(in_acme, f"openai/keys/{key.pk}/test/"))
        told = found.json()
        assert (found.status_code, told["works"], told["found"], told["models"]) == (200, False, "refused", 0)
        assert "refused the key (401)" in told["sentence"]
        assert (told["key"]["state"], told["key"]["why"]) == ("refused", told["sentence"])
        assert KEY not in found.content.decode()
        there.status, there.answer = 200, b'{"data": [{}]}'
        told = pam.post(at(in_acme, f"openai/keys/{key.pk}/test/")).json()
        assert (told["works"], told["models"], told["key"]["state"]) == (True, 1, "on")
    assert pam.get(at(in_acme, f"openai/keys/{key.pk}/test/")).status_code == 405


def test_a_model_is_added_priced_and_removed(in_acme: Cast, rest: Rest, openai: Provider) -> None:
    pam = rest(in_acme.pam)
    made = pam.post(at(in_acme, "openai/models/"), {"name": "ft:mini", "input": "0.30", "context": 4_000})
    assert (made.status_code, made.json()["input"], made.json()["output"], made.json()["currency"]) == (201, "0.3", None, "USD")
    one = at(in_acme, f"openai/models/{made.json()['id']}/")
    found = pam.patch(one, {"input": "0.4", "currency": "EUR"}).json()
    assert (found["input"], found["currency"], found["context"]) == ("0.4", "EUR", 4_000)
    [former] = found["former_prices"]
    assert (former["input"], former["currency"], former["until"]) == ("0.3", "USD", found["prices_since"])
    assert pam.get(one).json() == found
    assert pam.delete(one).status_code == 204
    assert pam.get(one).status_code == 404


@pytest.mark.parametrize(
    "path,body,field",
    [
        ("", {}, "kind"),
        ("", {**GIVEN, "kind": "a\x00"}, "kind"),
        ("", {**GIVEN, "kind": "no-such"}, "kind"),
        ("", {**GIVEN, "name": "x" * 81}, "name"),
        ("", {**GIVEN, "slug": "A"}, "slug"),
        ("", {**GIVEN, "url": "https://10.0.0.1/"}, "url"),
        ("", {**GIVEN, "key": "a b\t"}, "key"),
        ("", {**GIVEN, "key": ""}, "key"),
        ("", {**GIVEN, "first_byte_ms": 10**12}, "first_byte_ms"),
        ("", {**GIVEN, "silence_ms": -1}, "silence_ms"),
        ("", {**GIVEN, "dialects": [{"format": "soap", "prefix": "", "header": "a", "value": "{key}"}]}, "dialects"),
        ("", {**GIVEN, "dialects": [{"format": "openai", "prefix": "/..", "header": "a", "value": "{key}"}]}, "dialects"),
        ("", {**GIVEN, "secret": "x"}, "secret"),
        ("openai/keys/", {"label": "x"}, "key"),
        ("openai/keys/", {"label": "", "key": "x"}, "label"),
        ("openai/keys/", {"label": "x", "key": "x" * 501}, "key"),
        ("openai/keys/", {"label": "x", "key": "x", "priority": 0}, "priority"),
        ("openai/keys/", {"label": "x", "key": "x", "weight": 10**9}, "weight"),
        ("openai/keys/", {"label": "x", "key": "x", "state": "on"}, "state"),
        ("openai/models/", {"name": ""}, "name"),
        ("openai/models/", {"name": "a b"}, "name"),
        ("openai/models/", {"name": "a", "input": "-1"}, "input"),
        ("openai/models/", {"name": "a", "input": "free"}, "input"),
        ("openai/models/", {"name": "a", "output": "NaN"}, "output"),
        ("openai/models/", {"name": "a", "cached": "0.0000001"}, "cached"),
        ("openai/models/", {"name": "a", "context": 10**15}, "context"),
        ("openai/models/", {"name": "a", "currency": "us"}, "currency"),
    ],
)
def test_what_can_not_be_used_is_refused_by_its_field(
    in_acme: Cast, rest: Rest, openai: Provider, path: str, body: dict[str, Any], field: str
) -> None:
    answer = rest(in_acme.pam).post(at(in_acme, path), body)
    assert (answer.status_code, [each.partition(".")[0] for each in answer.json()["errors"]]) == (422, [field])
    assert Provider.objects.count() == 1
    assert not ProviderKey.objects.exists()


def test_who_may_not_is_refused_and_eve_sees_nothing(in_acme: Cast, rest: Rest, openai: Provider) -> None:
    key, model = make.provider_key(openai), openai.models.order_by("name")[0]
    below = ["openai/", "openai/keys/", f"openai/keys/{key.pk}/", "openai/models/", f"openai/models/{model.pk}/"]
    looks = make.custom_role("Looks", ["providers.see"])
    reader = make.member(in_acme.acme, None, Role.DEVELOPER)
    Membership.objects.filter(user=reader).update(custom_roles=[looks.pk])
    for path in ["", *below]:
        for user, status in ((in_acme.ada, 200), (in_acme.pam, 200), (reader, 200), (in_acme.carl, 403), (in_acme.eve, 404)):
            assert rest(user).get(at(in_acme, path)).status_code == status, f"{user} {path}"
    for user, status in ((reader, 403), (in_acme.carl, 403), (in_acme.eve, 404)):
        client = rest(user)
        for path in ("", "openai/keys/", "openai/models/", f"openai/keys/{key.pk}/test/"):
            assert client.post(at(in_acme, path), GIVEN).status_code == status, path
        for path in ("openai/", f"openai/keys/{key.pk}/", f"openai/models/{model.pk}/"):
            assert client.patch(at(in_acme, path), {"name": "x"}).status_code == status, path
            assert client.delete(at(in_acme, path)).status_code == status, path
    theirs = f"{base(in_acme.globex)}/providers/"
    assert rest(in_acme.eve).get(theirs).json()["results"] == []
    make.provider("another", by=in_acme.pam)
    for path in below[1:]:
        if path.count("/") == 3:
            assert rest(in_acme.pam).get(at(in_acme, path.replace("openai", "another"))).status_code == 404, "it is of the other one"
    for path in below:
        assert rest(in_acme.eve).get(f"{theirs}{path}").status_code == 404
    assert rest(in_acme.eve).post(f"{theirs}openai/keys/{key.pk}/test/").status_code == 404
