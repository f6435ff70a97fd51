import pytest
from django.db import InternalError, connection, transaction

from apis.models import Subscription
from keys.models import Application
from tenants.actions import add_member
from tenants.models import Event, Membership
from tenants.scope import NoTenant, in_scope, tenant_scope, user_scope
from tests import make
from tests.conftest import Cast


def told_to_postgresql(name: str = "portico.tenant_id") -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s, true)", [name])
        return cursor.fetchone()[0] or ""


def test_outside_a_scope_nothing_can_be_read_or_written(cast: Cast) -> None:
    with pytest.raises(NoTenant):
        Application.objects.count()
    with pytest.raises(NoTenant):
        Application.objects.update(name="x")
    with pytest.raises(NoTenant):
        Application(name="x")


def test_a_queryset_reads_the_scope_when_it_runs_not_when_it_was_made(cast: Cast) -> None:
    rows = Application.objects.order_by("name")
    for tenant in (cast.acme, cast.globex):
        with tenant_scope(tenant.pk):
            make.application(name=f"Of {tenant}")
            assert [row.name for row in rows.all()] == [f"Of {tenant}"]
    with pytest.raises(NoTenant):
        list(rows.all())


def test_row_security_holds_where_the_manager_is_gone(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        make.subscription()
        assert Subscription._base_manager.count() == 1
    with tenant_scope(cast.globex.pk):
        assert Subscription._base_manager.count() == 0
    assert Event._base_manager.count() == 0


def test_a_nested_scope_gives_the_outer_one_back(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        with tenant_scope(cast.globex.pk):
            assert told_to_postgresql() == str(cast.globex.pk)
        assert told_to_postgresql() == str(cast.acme.pk)
        with tenant_scope(cast.acme.pk):
            pass
        assert told_to_postgresql() == str(cast.acme.pk)
    assert told_to_postgresql() == ""
    assert not in_scope()


def test_a_scope_left_by_an_exception_leaves_nothing_behind(cast: Cast) -> None:
    with pytest.raises(ZeroDivisionError), tenant_scope(cast.acme.pk):
        make.application()
        raise ZeroDivisionError
    assert not in_scope()
    assert told_to_postgresql() == ""
    with tenant_scope(cast.acme.pk):
        assert Application.objects.count() == 0


def test_a_nested_scope_left_by_an_exception_gives_the_outer_one_back(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        with pytest.raises(ZeroDivisionError), tenant_scope(cast.globex.pk):
            raise ZeroDivisionError
        assert told_to_postgresql() == str(cast.acme.pk)
        make.application()
        assert Application.objects.count() == 1


def test_a_savepoint_rolled_back_keeps_the_scope(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            make.application()
            raise ZeroDivisionError
        assert told_to_postgresql() == str(cast.acme.pk)
        assert Application.objects.count() == 0


def test_the_setting_ends_with_its_transaction(transactional_db: None) -> None:
    acme = make.tenant("acme")
    with tenant_scope(acme.pk):
        pass
    assert told_to_postgresql() == ""
    with pytest.raises(ZeroDivisionError), tenant_scope(acme.pk):
        raise ZeroDivisionError
    assert told_to_postgresql() == ""


def test_a_snapshot_sees_one_moment_and_writes_nothing(transactional_db: None) -> None:
    acme = make.tenant("acme")
    with tenant_scope(acme.pk, snapshot=True), connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("repeatable read",)
        with pytest.raises(InternalError, match="read-only"), transaction.atomic():
            Application.objects.update(name="x")
    assert told_to_postgresql() == ""
    with pytest.raises(RuntimeError, match="of its own"), tenant_scope(acme.pk), tenant_scope(acme.pk, snapshot=True):
        pass
    assert not in_scope()


# --- a person's own memberships ----------------------------------------------------------------------------------


def test_a_person_finds_their_own_tenants_and_nobody_elses(cast: Cast) -> None:
    with tenant_scope(cast.globex.pk):
        add_member(cast.carl, roles=["auditor"], by=None)
    with user_scope(cast.carl.pk):
        assert {(row.tenant_id, row.user_id) for row in Membership.mine.all()} == {
            (cast.acme.pk, cast.carl.pk),
            (cast.globex.pk, cast.carl.pk),
        }
    assert Membership.mine.count() == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tenants_membership SET roles = '{admin}' WHERE user_id = %(carl)s",
        "DELETE FROM tenants_membership WHERE user_id = %(carl)s",
    ],
)
def test_nobody_changes_their_own_rows_by_being_their_subject(cast: Cast, statement: str) -> None:
    with user_scope(cast.carl.pk), connection.cursor() as cursor:
        cursor.execute(statement, {"carl": cast.carl.pk})
        assert cursor.rowcount == 0


@pytest.mark.parametrize("inside", [False, True])
def test_nobody_makes_themselves_a_member_elsewhere(cast: Cast, inside: bool) -> None:
    row = Membership(user=cast.carl, tenant_id=cast.globex.pk, roles=["admin"])
    with user_scope(cast.carl.pk), pytest.raises(Exception, match="row-level security"), transaction.atomic():
        if inside:
            with tenant_scope(cast.acme.pk):
                row.save(force_insert=True)
        else:
            row.save(force_insert=True)
