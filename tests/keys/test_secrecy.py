"""Secrets stay where they belong: in one answer, and sealed."""

import logging
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from apis.models import Upstream
from keys import tokens
from keys.actions import signing
from keys.envelope import unseal
from keys.kek import kek
from keys.models import SigningKey
from tenants.models import Event, PlatformEvent
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

HEADER_SECRET = "upstream-header-secret-4711"


def everything_stored() -> str:
    """Every row of every table as text, as the serving role sees it in the tenant in scope."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        rows = []
        for table in tables:
            cursor.execute(f"SELECT t::text FROM {table} t")
            rows += [row for (row,) in cursor.fetchall()]
    return "\n".join(rows)


def test_no_secret_is_stored_logged_or_recorded(cast: Cast, rest: Rest, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    carl, at = rest(cast.carl), base(cast.acme)
    application = carl.post(f"{at}/applications/", {"name": "Shop", "purpose": "Sells."}).json()
    made = carl.post(f"{at}/applications/{application['id']}/credentials/", {"label": "CI"})
    assert made["Cache-Control"] == "no-store"
    path = f"{at}/applications/{application['id']}/credentials/{made.json()['id']}"
    rolled = carl.post(f"{path}/roll/", {"grace": "1h"})
    assert rolled["Cache-Control"] == "no-store"
    secrets = [made.json()["client_secret"], rolled.json()["client_secret"]]
    form = {"grant_type": "client_credentials", "client_id": application["client_id"], "client_secret": secrets[0]}
    token = Client().post("/t/acme/oauth/token", "&".join(f"{k}={v}" for k, v in form.items()),
                          content_type="application/x-www-form-urlencoded").json()["access_token"]  # fmt: skip
    wrong = Client().post("/t/acme/oauth/token", f"grant_type=client_credentials&client_id=x&client_secret={secrets[0]}",
                          content_type="application/x-www-form-urlencoded")  # fmt: skip
    shown_later = [
        carl.get(f"{at}/applications/{application['id']}/credentials/").content.decode(),
        carl.get(f"{at}/applications/{application['id']}/").content.decode(),
        rest(cast.ada).get(f"{at}/events/").content.decode(),
        carl.post(f"{path}/revoke/", {"reason": "x"}).content.decode(),
        wrong.content.decode(),
    ]
    with tenant_scope(cast.acme.pk):
        stored = everything_stored()
    assert application["client_id"] in stored, "the search sees the rows"
    for secret in [*secrets, token]:
        for where in (stored, caplog.text, *shown_later):
            assert secret not in where
            assert secret[11:54] not in where


def test_a_private_key_is_in_no_table(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        row = SigningKey.objects.get(purpose="access_token")
        assert row.sealed is not None
        private = unseal(row.sealed, row.sealed_for, kek())
        stored = everything_stored()
    number = tokens.load(private, row.kid, row.alg).private.as_dict(private=True)["d"]
    body = b"".join(private.splitlines()[1:-1]).decode()
    assert row.kid in stored
    for text in (str(number), body, body[:40], "PRIVATE KEY", private.hex()):
        assert text not in stored
    assert str(number) not in repr(row) + str(vars(row))


def test_a_sealed_key_of_another_tenant_does_not_open_here(cast: Cast) -> None:
    with tenant_scope(cast.globex.pk):
        theirs = SigningKey.objects.get(purpose="access_token").sealed
    with tenant_scope(cast.acme.pk):
        mine = SigningKey.objects.get(purpose="access_token")
        assert theirs is not None
        with pytest.raises(ValueError, match="belongs to another row"):
            unseal(theirs, mine.sealed_for, kek())


def test_an_upstreams_secret_is_sealed_and_never_shown(cast: Cast, rest: Rest, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    pam, at = rest(cast.pam), base(cast.acme)
    revisions = f"{at}/apis/orders/versions/v1/revisions/"
    upstream = {"url": "http://127.0.0.1:9", "header": "X-Key", "secret": HEADER_SECRET}
    made = pam.post(revisions, {"document": make.DOCUMENT, "upstream": upstream})
    assert made.status_code == 201, made.content
    seen = [made, pam.get(revisions), pam.get(f"{revisions}2/"), rest(cast.ada).get(f"{at}/events/")]
    with tenant_scope(cast.acme.pk):
        row = Upstream.objects.get(header="x-key")
        assert unseal(row.sealed, row.sealed_for, kek()) == HEADER_SECRET.encode()
        stored = everything_stored()
    for where in (stored, caplog.text, *(each.content.decode() for each in seen)):
        assert HEADER_SECRET not in where
    bad = pam.post(revisions, {"document": make.DOCUMENT, "upstream": {**upstream, "secret": HEADER_SECRET + "\n"}})
    assert bad.status_code == 422
    assert HEADER_SECRET not in bad.content.decode()


def test_reprs_say_nothing_secret(in_acme: Cast) -> None:
    credential, secret = make.credential()
    for thing in (credential, make.application(), SigningKey.objects.get(purpose="access_token")):
        assert secret not in f"{thing!r} {thing}"
    target = make.target(header="X-Key", secret=HEADER_SECRET)
    assert HEADER_SECRET not in repr(target)


def test_the_first_key_is_active_with_the_tenant_or_neither_exists(db: None) -> None:
    acme = signing.create_tenant(slug="acme", name="Acme", by=None)
    with tenant_scope(acme.pk):
        keys = list(SigningKey.objects.order_by("purpose"))
        assert [(key.purpose, key.status, key.alg) for key in keys] == [("access_token", "active", "ES256"), ("api_key", "active", "ES256")]
        assert all(key.activated_at is not None for key in keys)
        assert list(Event.objects.order_by("number").values_list("kind", flat=True)) == [
            "tenant.created",
            "signing_key.published",
            "signing_key.activated",
            "signing_key.published",
            "signing_key.activated",
        ]
    assert PlatformEvent.objects.filter(kind="tenant.created", subject_id=acme.pk).count() == 1


@pytest.mark.parametrize(
    "change",
    ["status = 'retired'", "sealed = NULL", "status = 'removed'"],
)
def test_the_database_holds_that_only_keys_which_may_sign_have_a_private_half(in_acme: Cast, change: str) -> None:
    refused = pytest.raises(IntegrityError, match="a_key_that_may_not_sign")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE keys_signingkey SET {change}")


def test_a_kid_is_never_used_again_in_any_tenant(cast: Cast) -> None:
    with tenant_scope(cast.globex.pk):
        kid = SigningKey.objects.get(purpose="access_token").kid
    refused = pytest.raises(IntegrityError, match="a_kid_is_never_used_again")
    with tenant_scope(cast.acme.pk), refused, transaction.atomic():
        SigningKey.objects.update(kid=kid)
