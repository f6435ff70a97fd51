"""From one key-encryption key to the next, while tokens are signed."""

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from apis.actions import publishing
from apis.models import Draft, Upstream
from keys import keyring, rewrapping, tokens
from keys.actions import audit_keys
from keys.envelope import Kek, Unavailable, seal, unseal
from keys.keks.file import FileKek, make_file
from keys.keks.ring import Ring
from keys.management.commands import rotate_kek
from keys.models import AuditKey, SigningKey
from keys.rewrapping import Unread, rewrap, sealed_columns, sealed_models, shared_sealed_models
from tenants.models import Role
from tenants.scope import tenant_scope
from tests import make, turns
from tests.conftest import Cast
from tests.pki import Authority

HEADER = "a secret header"
CLIENT = Authority().issue("Gateways of a test")
OPENED = {HEADER.encode(), CLIENT.key.encode()}


@pytest.fixture
def olds(tmp_path: Path, monkeypatch: Any) -> Ring:
    """What everything is sealed under when the test begins."""
    make_file(tmp_path / "old")
    old = Ring((FileKek(tmp_path / "old"),))
    _use(monkeypatch, old)
    return old


@pytest.fixture
def both(olds: Ring, tmp_path: Path) -> Ring:
    """The new key-encryption key, with the old one at hand."""
    make_file(tmp_path / "new")
    return Ring((FileKek(tmp_path / "new"), *olds.keks))


def _use(monkeypatch: Any, kek: Kek) -> None:
    """As if every process had been started again with other settings."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in {"portal", "gateway", "apis", "keys", "tests"} and hasattr(module, "kek") and callable(module.kek):
            monkeypatch.setattr(module, "kek", lambda: kek)
    keyring._unsealed.clear()


@pytest.fixture
def shops(olds: Ring, cast: Cast) -> list[UUID]:
    """Acme and Globex, each with a signing key, an upstream's secret and one in a draft."""
    for tenant in (cast.acme, cast.globex):
        _fill(tenant.pk)
    return [cast.acme.pk, cast.globex.pk]


def _fill(tenant_id: UUID) -> None:
    with tenant_scope(tenant_id):
        pam = make.somebody(Role.PUBLISHER)
        api = make.api()
        proof: dict[str, Any] = {"header": "x-key", "secret": HEADER, "client_certificate": CLIENT.certificate, "client_key": CLIENT.key}
        target = publishing.check_target("https://127.0.0.1:9", **proof)
        publishing.add_revision(api.versions.get(), document=make.document(), target=target, by=pam)
        make.draft(pam, secret=HEADER)


def _sealed(tenant_id: UUID) -> dict[tuple[str, UUID, str], str]:
    with tenant_scope(tenant_id):
        return {
            (model.__name__, row.pk, column): getattr(row, column)
            for model in sealed_models()
            for column in sealed_columns(model)
            for row in model.objects.all()
            if getattr(row, column)
        }


def _under(tenant_id: UUID) -> set[str]:
    return {sealed.split(".")[1] for sealed in _sealed(tenant_id).values()}


def _opened(tenant_id: UUID, kek: Kek) -> list[bytes]:
    with tenant_scope(tenant_id):
        opened = [unseal(row.sealed, row.sealed_for, kek) for model in (Draft, Upstream) for row in model.objects.exclude(sealed="")]
        return opened + [unseal(row.sealed_key, row.sealed_key_for, kek) for row in Upstream.objects.exclude(sealed_key="")]


def _signs(tenant_id: UUID) -> None:
    """A process with nothing in memory has the private halves of all that may sign."""
    keyring._unsealed.clear()
    with tenant_scope(tenant_id):
        rows = list(SigningKey.objects.filter(status="active"))
    assert rows
    for row in rows:
        assert tokens.public_jwk(keyring.signing_key(tenant_id, row.pk)) == row.public_jwk


def _rotate(terminal: bool = False) -> tuple[str, str]:
    out, err = Terminal() if terminal else io.StringIO(), io.StringIO()
    call_command("rotate_kek", stdout=out, stderr=err, no_color=True)
    return out.getvalue(), err.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_everything_that_an_app_seals_is_known() -> None:
    sealing = {(model, field.name) for model in apps.get_models() for field in model._meta.get_fields() if "seal" in field.name}
    assert sealing == {(model, name) for model in (*sealed_models(), *shared_sealed_models()) for name in sealed_columns(model)}
    assert {(SigningKey, "sealed"), (Upstream, "sealed"), (Upstream, "sealed_key"), (Draft, "sealed"), (AuditKey, "sealed")} <= sealing


def test_the_platforms_own_are_sealed_anew_as_well(shops: list[UUID], olds: Ring, both: Ring, monkeypatch: Any) -> None:
    audit_keys.rotate()
    audit_keys._unsealed.clear()
    _use(monkeypatch, both)
    _rotate()
    row = AuditKey.objects.exclude(sealed="").get()
    assert row.sealed.split(".")[1] == both.current_id
    assert tokens.public_jwk(audit_keys.signer()) == row.public_jwk


def test_everything_is_sealed_under_the_new_key(shops: list[UUID], olds: Ring, both: Ring, monkeypatch: Any) -> None:
    before = [_sealed(tenant) for tenant in shops]
    assert all({"SigningKey", "Upstream", "Draft"} <= {name for name, *_ in each} for each in before)
    _use(monkeypatch, both)
    out, err = _rotate()
    count = sum(len(each) for each in before)
    assert (out, err) == (f"All secrets of 2 tenants are sealed under {both.current_id}; {count} were re-sealed now.\n", "")
    new = Ring(both.keks[:1])
    _use(monkeypatch, new)
    for tenant, were in zip(shops, before, strict=True):
        assert _under(tenant) == {new.current_id}
        assert _sealed(tenant).keys() == were.keys()
        assert set(_opened(tenant, new)) == OPENED
        _signs(tenant)


def test_run_twice_it_changes_nothing(shops: list[UUID], both: Ring, monkeypatch: Any) -> None:
    _use(monkeypatch, both)
    _rotate()
    once = [_sealed(tenant) for tenant in shops]
    assert _rotate()[0].endswith("; 0 were re-sealed now.\n")
    assert [_sealed(tenant) for tenant in shops] == once


def test_many_rows_go_in_batches(shops: list[UUID], both: Ring, monkeypatch: Any) -> None:
    monkeypatch.setattr(rewrapping, "BATCH", 1)
    monkeypatch.setattr(rewrapping, "TENANTS", 1)
    _use(monkeypatch, both)
    _rotate()
    assert {kek_id for tenant in shops for kek_id in _under(tenant)} == {both.current_id}


def test_a_terminal_gets_a_bar(shops: list[UUID], both: Ring, monkeypatch: Any) -> None:
    _use(monkeypatch, both)
    out, _ = _rotate(terminal=True)
    first, second, last = [*out.split("\r\x1b[K")[1:], out.splitlines()[-1]]
    half = sum(len(_sealed(tenant)) for tenant in shops[:1])
    assert first == f"{'█' * 15}{'░' * 15} 1 of 2 tenants, {half} secrets"
    assert second.splitlines()[0] == f"{'█' * 30} 2 of 2 tenants, {2 * half} secrets"
    assert last.startswith("All secrets of 2 tenants")


def test_without_a_terminal_it_says_now_and_then_how_far_it_is(shops: list[UUID], both: Ring, monkeypatch: Any) -> None:
    monkeypatch.setattr(rotate_kek, "SECONDS", 0.0)
    _use(monkeypatch, both)
    lines = _rotate()[0].splitlines()
    assert [line.partition(",")[0] for line in lines[:-1]] == ["1 of 2 tenants", "2 of 2 tenants"]


# --- what goes wrong ---------------------------------------------------------------------------------------------


def test_without_the_old_key_nothing_is_read_and_the_error_says_why(shops: list[UUID], olds: Ring, both: Ring, monkeypatch: Any) -> None:
    before = [_sealed(tenant) for tenant in shops]
    new = Ring(both.keks[:1])
    _use(monkeypatch, new)
    err = io.StringIO()
    with pytest.raises(CommandError, match=r"^\d+ secrets can't be read and stay as they are; 0 others were re-sealed.$") as refused:
        call_command("rotate_kek", stdout=io.StringIO(), stderr=err, no_color=True)
    assert refused.value.returncode == 1
    lines = err.getvalue().splitlines()
    assert len(lines) == sum(len(each) for each in before)
    for line in lines:
        assert f"was sealed under the key-encryption key {olds.current_id}, and no other opens it. At hand: {new}." in line
    for (name, row_id, _column), slug in [(key, slug) for each, slug in zip(before, ("acme", "globex"), strict=True) for key in each]:
        assert any(line.startswith(f"{slug} ") and f"{name.lower()} {row_id}: " in line for line in lines)
    assert [_sealed(tenant) for tenant in shops] == before


def test_one_that_cannot_be_read_holds_up_no_other(shops: list[UUID], both: Ring, monkeypatch: Any) -> None:
    with tenant_scope(shops[0]):
        key, upstream = SigningKey.objects.get(purpose="access_token"), Upstream.objects.exclude(sealed="").get()
        SigningKey.objects.filter(pk=key.pk).update(sealed=upstream.sealed)
    _use(monkeypatch, both)
    err = io.StringIO()
    with pytest.raises(CommandError, match="^1 secrets can't be read"):
        call_command("rotate_kek", stdout=io.StringIO(), stderr=err)
    assert f"acme keys_signingkey {key.pk}: This secret was damaged or belongs to another row." in err.getvalue()
    assert _under(shops[0]) == {kek.current_id for kek in both.keks}
    assert _under(shops[1]) == {both.current_id}


def test_where_the_key_cannot_be_asked_it_ends_and_goes_on_later(shops: list[UUID], both: Ring, monkeypatch: Any) -> None:
    _use(monkeypatch, both)
    with monkeypatch.context() as patched:
        patched.setattr(rewrapping, "seal", _failing_at(4, Unavailable("Vault can't be reached.")))
        with pytest.raises(
            CommandError, match=r"^Vault can't be reached. 3 secrets were re-sealed before. Run rotate_kek again to go on.$"
        ):
            patched.setattr(rewrapping, "BATCH", 1)
            _rotate()
    _rotate()
    assert {kek_id for tenant in shops for kek_id in _under(tenant)} == {both.current_id}


def _failing_at(number: int, error: BaseException) -> Callable[..., str]:
    calls = iter(range(1, 1000))

    def instead(*args: Any) -> str:
        if next(calls) >= number:
            raise error
        return seal(*args)

    return instead


# --- at the same time --------------------------------------------------------------------------------------------


def test_a_private_key_that_is_destroyed_meanwhile_does_not_come_back(shops: list[UUID], both: Ring, monkeypatch: Any) -> None:
    _use(monkeypatch, both)
    acme = shops[0]

    def destroy_and_seal(*args: Any) -> str:
        with tenant_scope(acme):
            SigningKey.objects.filter(status="active").update(status="compromised", sealed=None)
        return seal(*args)

    monkeypatch.setattr(rewrapping, "seal", destroy_and_seal)
    unread: list[Unread] = []
    done = sum(rewrap(acme, both, current_id=both.current_id, unread=unread.append))
    with tenant_scope(acme):
        assert set(SigningKey.objects.values_list("sealed", flat=True)) == {None}
    assert done == len(_sealed(acme))
    assert not unread


class Killed(BaseException):
    pass


def test_killed_at_any_statement_it_signs_on_and_is_finished_by_the_next_run(
    shops: list[UUID], olds: Ring, both: Ring, monkeypatch: Any
) -> None:
    _use(monkeypatch, both)
    killed_at, killed, step = 0, True, 1 if turns.whole() else 5
    partly = set()
    while killed:
        killed_at, killed = killed_at + step, False
        for tenant in shops:
            _seal_again(tenant, olds, both)
        try:
            with connection.execute_wrapper(_killing_at(killed_at)):
                _rotate()
        except Killed:
            killed = True
        for tenant in shops:
            _signs(tenant)
        partly.add(frozenset(kek_id for tenant in shops for kek_id in _under(tenant)))
        _rotate()
        for tenant in shops:
            assert _under(tenant) == {both.current_id}
            assert set(_opened(tenant, both)) == OPENED
            _signs(tenant)
    assert killed_at > 30
    assert len(partly) == 3, "before, half-way and after"


def _fail(found: Unread) -> None:
    raise AssertionError(found)


def _seal_again(tenant_id: UUID, under: Ring, opened_by: Ring) -> None:
    """Everything back under the old key."""
    list(rewrap(tenant_id, Ring((*under.keks, *opened_by.keks)), current_id=under.current_id, unread=_fail))


def _killing_at(number: int) -> Callable[..., Any]:
    statements = iter(range(1, 10_000))

    def wrapper(execute: Any, *args: Any) -> Any:
        if next(statements) == number:
            raise Killed
        return execute(*args)

    return wrapper


@pytest.fixture
def lone_shop(committed: None, both: Ring) -> Iterator[UUID]:
    """A tenant that other processes see, sealed at the end as whoever looks at it next expects."""
    found = make.tenant(f"shop-{uuid4().hex[:8]}").pk
    _fill(found)
    yield found
    _seal_again(found, Ring((_installed(),)), both)


def _installed() -> FileKek:
    make_file(settings.KEK_FILE)
    return FileKek(settings.KEK_FILE)


AGAIN_AND_AGAIN = """
import sys, uuid, django
django.setup()
from pathlib import Path
from keys.keks.file import FileKek
from keys.keks.ring import Ring
from keys.rewrapping import rewrap
tenant, one, other = uuid.UUID(sys.argv[1]), *map(FileKek, map(Path, sys.argv[2:]))
print("ready", flush=True)
while True:
    for ring in (Ring((one, other)), Ring((other, one))):
        list(rewrap(tenant, ring, current_id=ring.current_id, unread=lambda found: sys.exit(found.why)))
"""


def test_tokens_are_signed_while_it_runs_and_after_it_was_killed(lone_shop: UUID, both: Ring, tmp_path: Path, monkeypatch: Any) -> None:
    _use(monkeypatch, both)
    seen = set()
    command = [sys.executable, "-c", AGAIN_AND_AGAIN, str(lone_shop), str(tmp_path / "new"), str(tmp_path / "old")]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings"}
    with subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            for _ in range(200):
                _signs(lone_shop)
                seen |= _under(lone_shop)
            assert process.poll() is None, process.stderr and process.stderr.read()
        finally:
            process.kill()
    assert seen == {kek.current_id for kek in both.keks}
    _signs(lone_shop)
    _seal_again(lone_shop, both, both)
    assert _under(lone_shop) == {both.current_id}
    assert set(_opened(lone_shop, Ring(both.keks[:1]))) == OPENED


def test_two_runs_at_once_do_the_work_once(lone_shop: UUID, both: Ring) -> None:
    count = len(_sealed(lone_shop))
    done: list[int] = []

    def run() -> None:
        try:
            done.append(sum(rewrap(lone_shop, both, current_id=both.current_id, unread=_fail)))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(done) == count
    assert _under(lone_shop) == {both.current_id}
