import pytest
from django.db import connection

from apis.models import Subscription
from keys.models import Application
from tenants.models import Event
from tenants.scope import NoTenant, tenant_scope
from tests import make
from tests.conftest import Cast


def test_outside_a_scope_nothing_can_be_read(cast: Cast) -> None:
    with pytest.raises(NoTenant):
        Application.objects.count()
    with pytest.raises(NoTenant):
        Application(name="x")


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
            pass
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('portico.tenant_id')")
            assert cursor.fetchone() == (str(cast.acme.pk),)
